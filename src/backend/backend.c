#include "backend/backend.h"

#include <string.h>

#include "conf/hint.h"

typedef co_status (*create_func)(const co_backend_options *options, co_team *team, co_backend **out,
                                 co_error *err);

static const char *const backend_names[] = {"dnnl", "ref"};
static const create_func creators[] = {co_dnnl_backend_create, co_ref_backend_create};
static const char *const isa_names[] = {"auto", "avx512", "avx2", "plain"};

enum {
    BACKEND_COUNT = sizeof(backend_names) / sizeof(backend_names[0]),
    ISA_COUNT = sizeof(isa_names) / sizeof(isa_names[0]),
};

static int find(const char *const names[], int count, const char *name)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

co_status co_backend_create(const char *name, const co_backend_options *options, co_team *team,
                            co_backend **out, co_error *err)
{
    co_backend_options defaults = {.isa = "auto"};
    if (options == NULL) {
        options = &defaults;
    }
    if (find(isa_names, ISA_COUNT, options->isa) < 0) {
        return co_fail(err, CO_USAGE,
                       "there is no instruction set '%s'; there are: auto, avx512, avx2, plain",
                       options->isa);
    }
    int index = find(backend_names, BACKEND_COUNT, name);
    if (index < 0) {
        const char *near = co_nearest_name(name, backend_names, BACKEND_COUNT);
        return co_fail(err, CO_USAGE, "there is no backend '%s'%s%s%s; there are: dnnl, ref", name,
                       near != NULL ? " (did you mean '" : "", near != NULL ? near : "",
                       near != NULL ? "'?)" : "");
    }
    return creators[index](options, team, out, err);
}
