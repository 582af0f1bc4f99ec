#include "train/plan_table.h"

#include <assert.h>
#include <string.h>

static int find(const co_plan_table *table, co_mode mode, int rows)
{
    for (int i = 0; i < table->count; i++) {
        if (table->specs[i].mode == mode && table->specs[i].batch == rows) {
            return i;
        }
    }
    return -1;
}

void co_plan_table_want(co_plan_table *table, co_mode mode, int rows)
{
    if (rows == 0 || find(table, mode, rows) >= 0) {
        return;
    }
    assert(table->count < CO_MAX_PLANS); /* a run has a handful of batch sizes */
    table->specs[table->count++] = (co_plan_spec){
        .batch = rows,
        .mode = mode,
        .sync = mode == CO_TRAIN ? table->sync : NULL,
    };
}

void co_plan_table_want_all(co_plan_table *table, co_mode mode, uint32_t samples, int batch,
                            bool drop_last)
{
    if (samples >= (uint32_t)batch) {
        co_plan_table_want(table, mode, batch);
    }
    if (!drop_last) {
        co_plan_table_want(table, mode, (int)(samples % (uint32_t)batch));
    }
}

co_status co_plan_table_compile(co_plan_table *table, co_model *model, const co_pixel_map *pixels,
                                co_error *err)
{
    const co_backend_ops *ops = model->backend->ops;
    CO_TRY(ops->plans_create(model, table->specs, table->count, pixels, &table->plans, err));
    table->model = model;
    return CO_OK;
}

co_plan *co_plan_table_find(const co_plan_table *table, co_mode mode, int rows)
{
    int index = find(table, mode, rows);
    if (index < 0) {
        return NULL;
    }
    return table->model->backend->ops->plan(table->plans, index);
}

void co_plan_table_free(co_plan_table *table)
{
    if (table->plans != NULL) {
        table->model->backend->ops->plans_destroy(table->plans);
    }
    memset(table, 0, sizeof(*table));
}
