/* The host encoder for programs in C: made by cbindgen from host-encoder/capi/src/lib.rs, do not edit.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */

#ifndef HELIX_HOST_ENCODER_H
#define HELIX_HOST_ENCODER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/**
 * What became of a call.
 */
typedef enum HelixStatus {
  /**
   * It worked.
   */
  HELIX_STATUS_OK = 0,
  /**
   * An argument is missing or wrong.
   */
  HELIX_STATUS_ARGUMENT = 1,
  /**
   * The server could not listen.
   */
  HELIX_STATUS_LISTEN = 2,
  /**
   * Some threads still work on a frame, and end by themselves.
   */
  HELIX_STATUS_BUSY = 3,
  /**
   * A fault in the library.
   */
  HELIX_STATUS_INTERNAL = 4,
} HelixStatus;

/**
 * How important a message is.
 */
typedef enum HelixLevel {
  /**
   * A fault in the library or the system.
   */
  HELIX_LEVEL_ERROR = 1,
  /**
   * What ends a connection, or costs a frame.
   */
  HELIX_LEVEL_WARN = 2,
  /**
   * Connections and streams.
   */
  HELIX_LEVEL_INFO = 3,
  /**
   * Everything.
   */
  HELIX_LEVEL_DEBUG = 4,
} HelixLevel;

/**
 * A running server.
 */
typedef struct HelixServer HelixServer;

/**
 * Copies bytes of a blob: `length` bytes from `offset` on, to `into`.
 *
 * Returns 0, or another number when there is no blob `id`, it has less than `size` bytes, or the bytes are not within it.
 */
typedef int32_t (*HelixReadBlob)(void *opaque,
                                 uint32_t id,
                                 uint32_t size,
                                 uint32_t offset,
                                 uint8_t *into,
                                 size_t length);

/**
 * A virtio-gpu resource as a frame names it.
 *
 * All of this is what the guest says, and nobody has compared it with the resource: sizes, offsets and strides may lead
 * out of it.
 */
typedef struct HelixResource {
  /**
   * Its id.
   */
  uint32_t id;
  /**
   * The format of the frame, as `docs/src/protocol.md` numbers it.
   */
  uint32_t format;
  /**
   * How the resource is laid out, as `drm_fourcc.h` has it.
   */
  uint64_t modifier;
  /**
   * The width in pixels.
   */
  uint32_t width;
  /**
   * The height in pixels.
   */
  uint32_t height;
  /**
   * Where planes begin, in bytes.
   */
  uint32_t offsets[3];
  /**
   * From row to row of each plane, in bytes.
   */
  uint32_t strides[3];
} HelixResource;

/**
 * Copies the pixels of a resource to `into`, packed: plane after plane without padding, `length` bytes in all.
 *
 * Returns 0, or another number when there is no such resource or it is not what `resource` says. Compare before anything
 * is read.
 */
typedef int32_t (*HelixReadResource)(void *opaque,
                                     const struct HelixResource *resource,
                                     uint8_t *into,
                                     size_t length);

/**
 * Where the pixels of frames are that do not travel on the wire.
 *
 * Callbacks are called from several threads at once, until `helix_host_encoder_stop` has returned `HELIX_STATUS_OK`. They
 * must not wait for a lock that the caller of that function holds.
 */
typedef struct HelixProvider {
  /**
   * Given back to the callbacks.
   */
  void *opaque;
  /**
   * Null if there are no blobs.
   */
  HelixReadBlob read_blob;
  /**
   * Null if there are no resources.
   */
  HelixReadResource read_resource;
} HelixProvider;

/**
 * What a server is made of. Texts end in a zero byte; they, and this, are copied.
 */
typedef struct HelixConfig {
  /**
   * The path of a Unix socket to listen on, or null.
   */
  const char *unix_path;
  /**
   * An address on loopback to listen on, as `127.0.0.1:9000`, or null.
   */
  const char *tcp_address;
  /**
   * The path of a socket of a character device to connect to, or null.
   */
  const char *virtio_serial_path;
  /**
   * The secret that clients show on TCP, or null.
   */
  const char *token;
  /**
   * The name of the encoder, or null for that of this system.
   */
  const char *encoder;
  /**
   * The most streams at the same time; 0 for 64.
   */
  uint32_t max_streams;
  /**
   * Where resources and blobs are.
   */
  struct HelixProvider provider;
} HelixConfig;

/**
 * Takes a message: a text in UTF-8 without line breaks, which is valid during the call.
 */
typedef void (*HelixLog)(void *opaque, enum HelixLevel level, const char *text);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Starts a server. It is written to `server`, and stopped by `helix_host_encoder_stop`.
 *
 * When it does not start, `server` becomes null, and what went wrong is written to `error` as a text that ends in a zero
 * byte, as much of it as fits into `error_size` bytes; `error` may be null.
 *
 * # Safety
 * `config` and `server` must be valid; the texts of `config` must be null or end in a zero byte; its callbacks must be
 * callable from any thread until the server is stopped; `error` must be null or have room for `error_size` bytes.
 */
enum HelixStatus helix_host_encoder_start(const struct HelixConfig *config,
                                          struct HelixServer **server,
                                          char *error,
                                          size_t error_size);

/**
 * Has what servers log told to `log`: messages up to the level `most`, a [`HelixLevel`].
 *
 * It is of the whole process and stays until its end. A second call, or one in a program of Rust that has a log of its
 * own, returns `HELIX_STATUS_ARGUMENT` and changes nothing. Without a call nothing is logged.
 *
 * # Safety
 * `log` must be callable with `opaque` from any thread, several at once, until the process ends. It must not call a
 * function of this library.
 */
enum HelixStatus helix_host_encoder_set_log(HelixLog log,
                                            void *opaque,
                                            uint32_t most);

/**
 * Stops a server and frees it; null is no error. Clients are told so. It takes at most five seconds.
 *
 * After `HELIX_STATUS_OK` no callback is called any more. After `HELIX_STATUS_BUSY` a callback that runs has not returned
 * yet: the library must stay loaded, and what the callbacks need must stay valid.
 *
 * # Safety
 * `server` must be null or come from `helix_host_encoder_start`, and must not be used after this.
 */
enum HelixStatus helix_host_encoder_stop(struct HelixServer *server);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* HELIX_HOST_ENCODER_H */
