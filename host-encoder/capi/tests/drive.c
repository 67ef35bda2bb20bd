/* Starts a server with blobs of shared memory and one resource, and waits for its standard input to end. */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "helix_host_encoder.h"

struct memory {
    uint8_t *bytes;
    uint32_t size;
    atomic_int calls;
};

static int32_t read_blob(void *opaque, uint32_t id, uint32_t size, uint32_t offset, uint8_t *into, size_t length) {
    struct memory *memory = opaque;
    atomic_fetch_add(&memory->calls, 1);
    if (id != 5 || size > memory->size || offset > size || length > size - offset) {
        return -1;
    }
    memcpy(into, memory->bytes + offset, length);
    return 0;
}

/* The test sends a frame with all of this. */
static int32_t read_resource(void *opaque, const HelixResource *resource, uint8_t *into, size_t length) {
    struct memory *memory = opaque;
    atomic_fetch_add(&memory->calls, 1);
    HelixResource expected = {.id = 9, .format = 5, .modifier = 0x0102030405060708, .width = 640, .height = 360,
                              .offsets = {4096, 262144, 0}, .strides = {700, 701, 0}};
    if (memcmp(resource, &expected, sizeof expected) != 0 || length != memory->size) {
        return -2;
    }
    memcpy(into, memory->bytes, length);
    return 0;
}

static atomic_int messages;

static void note(void *opaque, HelixLevel level, const char *text) {
    if (opaque == &messages && level >= HELIX_LEVEL_ERROR && level <= HELIX_LEVEL_INFO && strlen(text) > 0 &&
        strchr(text, '\n') == NULL) {
        atomic_fetch_add(&messages, 1);
    }
}

static int fail(const char *what) {
    fprintf(stderr, "%s\n", what);
    return 1;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        return fail("usage: drive SOCKET");
    }
    struct memory memory = {.size = 640 * 360 * 3 / 2};
    int fd = memfd_create("blob", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, memory.size) != 0) {
        return fail("memfd");
    }
    memory.bytes = mmap(NULL, memory.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    memset(memory.bytes, 100, memory.size);

    char error[200] = "";
    HelixServer *server = (HelixServer *)1;
    HelixConfig config = {.encoder = "no such encoder", .unix_path = argv[1]};
    if (helix_host_encoder_start(&config, &server, error, sizeof error) != HELIX_STATUS_ARGUMENT || server != NULL ||
        strstr(error, "no such encoder") == NULL) {
        return fail("a wrong encoder is not refused");
    }
    if (helix_host_encoder_start(&config, &server, error, 4) != HELIX_STATUS_ARGUMENT || strlen(error) != 3) {
        return fail("a short buffer");
    }
    server = (HelixServer *)1;
    if (helix_host_encoder_start(NULL, &server, NULL, 0) != HELIX_STATUS_ARGUMENT || server != NULL) {
        return fail("null is not refused");
    }
    config.encoder = NULL;
    config.tcp_address = "127.0.0.1:0";
    if (helix_host_encoder_start(&config, &server, error, sizeof error) != HELIX_STATUS_LISTEN ||
        strstr(error, "token") == NULL) {
        return fail("TCP without a token is not refused");
    }
    config.token = "secret";
    config.provider.opaque = &memory;
    config.provider.read_blob = read_blob;
    config.provider.read_resource = read_resource;
    if (helix_host_encoder_set_log(note, &messages, 5) != HELIX_STATUS_ARGUMENT ||
        helix_host_encoder_set_log(NULL, NULL, HELIX_LEVEL_INFO) != HELIX_STATUS_ARGUMENT ||
        helix_host_encoder_set_log(note, &messages, HELIX_LEVEL_INFO) != HELIX_STATUS_OK ||
        helix_host_encoder_set_log(note, &messages, HELIX_LEVEL_INFO) != HELIX_STATUS_ARGUMENT) {
        return fail("the log");
    }
    /* A path is free again once its server has stopped. */
    for (int round = 0; round < 3; round++) {
        if (round > 0 && helix_host_encoder_stop(server) != HELIX_STATUS_OK) {
            return fail("stopping a server that nobody uses");
        }
        if (helix_host_encoder_start(&config, &server, error, sizeof error) != HELIX_STATUS_OK) {
            return fail(error);
        }
    }
    HelixServer *second = (HelixServer *)1;
    if (helix_host_encoder_start(&config, &second, error, sizeof error) != HELIX_STATUS_LISTEN || second != NULL ||
        strstr(error, "another process listens here") == NULL) {
        return fail("two servers on one path");
    }
    puts("ready");
    fflush(stdout);
    char byte;
    while (read(0, &byte, 1) > 0) {
    }
    if (helix_host_encoder_stop(server) != HELIX_STATUS_OK || helix_host_encoder_stop(NULL) != HELIX_STATUS_OK) {
        return fail("stopping");
    }
    if (atomic_load(&messages) == 0) {
        return fail("nothing was logged");
    }
    printf("%d calls\n", atomic_load(&memory.calls));
    return 0;
}
