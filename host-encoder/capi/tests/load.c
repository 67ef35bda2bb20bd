/* The functions of the header from a library that is loaded while the program runs, as a virtual machine monitor would. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "helix_host_encoder.h"

static void *function(const char *name) {
    static void *library;
    if (library == NULL) {
        library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    }
    void *found = library == NULL ? NULL : dlsym(library, name);
    if (found == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(2);
    }
    return found;
}

/* ISO C has no other way from a pointer to an object to one to a function. */
#define LOADED(name) (*(__typeof__(name) **)&(void *){function(#name)})

enum HelixStatus helix_host_encoder_start(const struct HelixConfig *config, struct HelixServer **server, char *error,
                                          size_t error_size) {
    return LOADED(helix_host_encoder_start)(config, server, error, error_size);
}

enum HelixStatus helix_host_encoder_set_log(HelixLog log, void *opaque, uint32_t most) {
    return LOADED(helix_host_encoder_set_log)(log, opaque, most);
}

enum HelixStatus helix_host_encoder_stop(struct HelixServer *server) {
    return LOADED(helix_host_encoder_stop)(server);
}
