#include "data/format.h"

#include "base/text.h"
#include "conf/hint.h"
#include "conf/string.h"

/* Every data set, in the order that users see. */
static const struct dataset_row {
    const char *name;
    const char *alias; /* or NULL */
    const co_dataset_format *format;
} rows[] = {
    {"mnist", NULL, &co_format_idx},
    {"fashion_mnist", NULL, &co_format_idx},
    {"cifar10", NULL, &co_format_cifar},
    {"cifar100", NULL, &co_format_cifar},
    {"cifar100_coarse", NULL, &co_format_cifar},
    {"tinyimagenet", NULL, &co_format_images},
    {"imagenet", NULL, &co_format_images},
    {"imagenet_blurred", NULL, &co_format_images},
    {"imagenet100", NULL, &co_format_images},
    {"imagenet100small", NULL, &co_format_images},
    {"core50", NULL, &co_format_images},
    {"images", NULL, &co_format_images},
    {"npy", NULL, &co_format_npy},
    {"nt3", "candle", &co_format_nt3}, /* S1's name */
    {"glyphs", NULL, &co_format_glyphs},
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

const char *co_dataset_name(int index)
{
    return index >= 0 && index < ROWS ? rows[index].name : NULL;
}

static co_status unknown_name(const char *name, co_error *err)
{
    char list[512];
    const char *names[ROWS];
    co_text known = co_text_over(list, sizeof(list));
    for (int i = 0; i < ROWS; i++) {
        names[i] = rows[i].name;
        co_text_printf(&known, "%s%s", i > 0 ? ", " : "", rows[i].name);
    }
    const char *nearest = co_nearest_name(name, names, ROWS);
    return co_fail(err, CO_USAGE, "unknown data set '%.60s'%s%s%s; there are: %s", name,
                   nearest != NULL ? " (did you mean '" : "", nearest != NULL ? nearest : "",
                   nearest != NULL ? "'?)" : "", list);
}

static const struct dataset_row *find(const char *name)
{
    for (int i = 0; i < ROWS; i++) {
        const char *alias = rows[i].alias;
        if (co_same_letters(name, rows[i].name) ||
            (alias != NULL && co_same_letters(name, alias))) {
            return &rows[i];
        }
    }
    return NULL;
}

const char *co_dataset_known_name(const char *name)
{
    const struct dataset_row *row = find(name);
    return row != NULL ? row->name : NULL;
}

co_status co_dataset_format_find(const char *name, const char *dir, const char **known,
                                 const co_dataset_format **out, co_error *err)
{
    const struct dataset_row *row = find(name);
    if (row == NULL) {
        return unknown_name(name, err);
    }
    if (row->format->check != NULL && (dir == NULL || dir[0] == '\0')) {
        return co_fail(
            err, CO_USAGE,
            "data set '%s' is read from files: name their folder (--dataset-dir DIR), or "
            "use --dataset glyphs, which needs none",
            row->name);
    }
    *known = row->name;
    *out = row->format;
    return CO_OK;
}
