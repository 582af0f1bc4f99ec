#include "backend/dnnl/primitive.h"

#include <string.h>

#include "base/alloc.h"

struct co_primitive {
    co_library *library; /* borrowed */
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t args[CO_PRIMITIVE_ARGS];
    int places[CO_PRIMITIVE_ARGS];
    int count;
};

const char *co_primitive_name(const_dnnl_primitive_desc_t pd)
{
    const char *name = NULL;
    dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, (void *)&name);
    return name == NULL ? "unknown" : name;
}

dnnl_memory_desc_t co_primitive_md(const_dnnl_primitive_desc_t pd, dnnl_query_t what, int index)
{
    const dnnl_memory_desc_t *md = dnnl_primitive_desc_query_md(pd, what, index);
    dnnl_memory_desc_t none;
    memset(&none, 0, sizeof(none));
    return md == NULL ? none : *md;
}

size_t co_primitive_scratch_bytes(const_dnnl_primitive_desc_t pd)
{
    const dnnl_memory_desc_t *md = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
    return md == NULL ? 0 : dnnl_memory_desc_get_size(md);
}

static co_status make_attributes(bool relu, dnnl_primitive_attr_t *out, co_error *err)
{
    dnnl_primitive_attr_t attr = NULL;
    CO_TRY(co_library_check(dnnl_primitive_attr_create(&attr), "attributes", err));
    dnnl_status_t done = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    dnnl_post_ops_t post_ops = NULL;
    if (done == dnnl_success && relu) {
        done = dnnl_post_ops_create(&post_ops);
        if (done == dnnl_success) {
            done = dnnl_post_ops_append_eltwise(post_ops, 1.0f, dnnl_eltwise_relu, 0.0f, 0.0f);
        }
        if (done == dnnl_success) {
            done = dnnl_primitive_attr_set_post_ops(attr, post_ops);
        }
        dnnl_post_ops_destroy(post_ops);
    }
    if (done != dnnl_success) {
        dnnl_primitive_attr_destroy(attr);
        return co_library_check(done, "attributes", err);
    }
    *out = attr;
    return CO_OK;
}

static bool is_reference(const_dnnl_primitive_desc_t pd)
{
    return strstr(co_primitive_name(pd), "ref") != NULL;
}

co_status co_primitive_find(co_library *library, const void *op_desc,
                            const_dnnl_primitive_desc_t hint, bool relu, dnnl_primitive_desc_t *pd,
                            co_error *err)
{
    CO_TRY(co_library_open(library, err));
    dnnl_primitive_attr_t attr = NULL;
    CO_TRY(make_attributes(relu, &attr, err));
    dnnl_primitive_desc_iterator_t it = NULL;
    dnnl_status_t done = dnnl_primitive_desc_iterator_create(&it, op_desc, attr, library->engine,
                                                             hint);
    dnnl_primitive_attr_destroy(attr);
    *pd = NULL;
    if (done == dnnl_unimplemented) {
        return CO_OK;
    }
    CO_TRY(co_library_check(done, "search for an implementation", err));
    while (done == dnnl_success) {
        dnnl_primitive_desc_t next = dnnl_primitive_desc_iterator_fetch(it);
        if (next != NULL && !is_reference(next)) {
            *pd = next;
            break;
        }
        dnnl_primitive_desc_destroy(next);
        done = dnnl_primitive_desc_iterator_next(it);
    }
    dnnl_primitive_desc_iterator_destroy(it);
    if (done != dnnl_iterator_ends) {
        return co_library_check(done, "search for an implementation", err);
    }
    return CO_OK;
}

co_status co_primitive_find_reorder(co_library *library, const dnnl_memory_desc_t *from,
                                    const dnnl_memory_desc_t *to, dnnl_primitive_desc_t *pd,
                                    co_error *err)
{
    CO_TRY(co_library_open(library, err));
    dnnl_primitive_attr_t attr = NULL;
    CO_TRY(make_attributes(false, &attr, err));
    dnnl_primitive_desc_t found = NULL;
    dnnl_status_t done = dnnl_reorder_primitive_desc_create(&found, from, library->engine, to,
                                                            library->engine, attr);
    dnnl_primitive_attr_destroy(attr);
    if (done != dnnl_unimplemented) {
        CO_TRY(co_library_check(done, "change of layout", err));
    }
    if (found != NULL && is_reference(found)) {
        dnnl_primitive_desc_destroy(found);
        found = NULL;
    }
    *pd = found;
    return CO_OK;
}

static dnnl_status_t add_arg(co_primitive *p, int arg, int place, const dnnl_memory_desc_t *md)
{
    dnnl_exec_arg_t *added = &p->args[p->count];
    added->arg = arg;
    p->places[p->count] = place;
    dnnl_status_t done = dnnl_memory_create(&added->memory, md, p->library->engine,
                                            DNNL_MEMORY_NONE);
    p->count += done == dnnl_success;
    return done;
}

co_status co_primitive_create(co_library *library, const_dnnl_primitive_desc_t pd,
                              const co_primitive_arg *args, int count, int scratch_place,
                              co_primitive **out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_primitive), "primitive", &block, err));
    co_primitive *p = block;
    p->library = library;
    dnnl_status_t done = count < CO_PRIMITIVE_ARGS ? dnnl_success : dnnl_out_of_memory;
    if (done == dnnl_success) {
        done = dnnl_primitive_create(&p->primitive, pd);
    }
    for (int i = 0; i < count && done == dnnl_success; i++) {
        done = add_arg(p, args[i].arg, args[i].place, &args[i].md);
    }
    if (done == dnnl_success && co_primitive_scratch_bytes(pd) > 0) {
        done = add_arg(p, DNNL_ARG_SCRATCHPAD, scratch_place,
                       dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0));
    }
    if (done != dnnl_success) {
        const char *name = co_primitive_name(pd);
        co_primitive_destroy(p);
        return co_library_check(done, name, err);
    }
    *out = p;
    return CO_OK;
}

void co_primitive_destroy(co_primitive *primitive)
{
    if (primitive == NULL) {
        return;
    }
    for (int i = 0; i < primitive->count; i++) {
        dnnl_memory_destroy(primitive->args[i].memory);
    }
    if (primitive->primitive != NULL) {
        dnnl_primitive_destroy(primitive->primitive);
    }
    co_free(primitive);
}

const char *co_primitive_kernel(const co_primitive *primitive)
{
    const_dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t done = dnnl_primitive_get_primitive_desc(primitive->primitive, &pd);
    return done == dnnl_success ? co_primitive_name(pd) : "oneDNN";
}

void co_primitive_bind(co_primitive *primitive, void *const *at)
{
    for (int i = 0; i < primitive->count; i++) {
        dnnl_memory_set_data_handle(primitive->args[i].memory, at[primitive->places[i]]);
    }
}

co_status co_primitive_run(co_primitive *primitive, co_error *err)
{
    dnnl_status_t done = dnnl_primitive_execute(primitive->primitive, primitive->library->stream,
                                                primitive->count, primitive->args);
    return co_library_check(done, "execution of a primitive", err);
}
