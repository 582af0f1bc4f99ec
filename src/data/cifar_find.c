#include "data/cifar_find.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"

static const char *const stems10[] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                      "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin",
                                      "batches.meta.txt"};
static const char *const stems100[] = {"train.bin", "test.bin", "fine_label_names.txt"};
static const char *const stems100_coarse[] = {"train.bin", "test.bin", "coarse_label_names.txt"};

/* Sub-folders first: a folder of that name is meant, loose files may be of another set. S1 has
 * CIFAR10 and CIFAR100, the archives unpack to cifar-10-batches-bin and cifar-100-binary. */
static const char *const folders10[] = {"cifar-10-batches-bin",
                                        "CIFAR10/cifar-10-batches-bin",
                                        "CIFAR10",
                                        "cifar10/cifar-10-batches-bin",
                                        "cifar10",
                                        "cifar-10/cifar-10-batches-bin",
                                        "cifar-10",
                                        ".",
                                        NULL};
static const char *const folders100[] = {"cifar-100-binary",
                                         "CIFAR100/cifar-100-binary",
                                         "CIFAR100",
                                         "cifar100/cifar-100-binary",
                                         "cifar100",
                                         "cifar-100/cifar-100-binary",
                                         "cifar-100",
                                         ".",
                                         NULL};

static const co_cifar_family families[] = {
    {"cifar10", 10, 1, {10}, 0, 5, stems10, folders10, "cifar-10-binary"},
    {"cifar100", 100, 2, {20, 100}, 1, 1, stems100, folders100, "cifar-100-binary"},
    {"cifar100_coarse", 20, 2, {20, 100}, 0, 1, stems100_coarse, folders100, "cifar-100-binary"},
};
static const char *const endings[] = {"", ".gz", ".xz"};
static const char *const archive_endings[] = {".tar.gz", ".tar.xz", ".tar"};

enum { ENDINGS = 3, FAMILIES = 3 };

const co_cifar_family *co_cifar_family_find(const char *name)
{
    for (int i = 0; i < FAMILIES; i++) {
        if (strcmp(name, families[i].name) == 0) {
            return &families[i];
        }
    }
    return NULL;
}

int co_cifar_role(const co_cifar_family *family, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    for (int role = 0; role < co_cifar_roles(family); role++) {
        if (strcmp(name, family->stems[role]) == 0) {
            return role;
        }
    }
    return -1;
}

/* false when the name is too long or there is nothing of that name; path is then empty. */
static bool find_file(const char *folder, const char *stem, const char *const *ends,
                      char path[PATH_MAX])
{
    struct stat info;
    for (int i = 0; i < ENDINGS; i++) {
        int length = snprintf(path, PATH_MAX, "%s/%s%s", folder, stem, ends[i]);
        if (length > 0 && length < PATH_MAX && stat(path, &info) == 0) {
            return true;
        }
    }
    path[0] = '\0';
    return false;
}

static bool folder_path(const char *dir, const char *sub, char path[PATH_MAX])
{
    bool itself = strcmp(sub, ".") == 0;
    int length = snprintf(path, PATH_MAX, "%s%s%s", dir, itself ? "" : "/", itself ? "" : sub);
    return length > 0 && length < PATH_MAX;
}

/* How many files with records there are. */
static int look_in(const co_cifar_family *family, const char *dir, const char *sub,
                   co_cifar_place *place)
{
    int found = 0;
    place->is_archive = false;
    if (!folder_path(dir, sub, place->path)) {
        return 0;
    }
    for (int role = 0; role < co_cifar_roles(family); role++) {
        bool there = find_file(place->path, family->stems[role], endings, place->file[role]);
        found += there && role != co_cifar_names_role(family);
    }
    return found;
}

static bool look_for_archive(const co_cifar_family *family, const char *dir, co_cifar_place *place)
{
    char folder[PATH_MAX];
    for (int i = 0; family->folders[i] != NULL; i++) {
        if (folder_path(dir, family->folders[i], folder) &&
            find_file(folder, family->archive, archive_endings, place->path)) {
            place->is_archive = true;
            return true;
        }
    }
    return false;
}

static co_status nothing_found(const co_cifar_family *family, const char *dir, co_error *err)
{
    char list[320];
    co_text folders = co_text_over(list, sizeof(list));
    for (int i = 0; family->folders[i] != NULL; i++) {
        bool itself = strcmp(family->folders[i], ".") == 0;
        co_text_printf(&folders, "%s%s", i > 0 ? ", " : "",
                       itself ? "the folder itself" : family->folders[i]);
    }
    return co_fail(
        err, CO_DATA,
        "%s: no files of %s (binary version) in this folder: looked in %s for %s and %s, "
        "plain or with .gz or .xz, and for %s.tar.gz; 'cohort data fetch %s' gets it",
        dir, family->name, list, family->stems[0], family->stems[co_cifar_test_role(family)],
        family->archive, family->name);
}

co_status co_cifar_find(const co_cifar_family *family, const char *dir, co_cifar_place *out,
                        co_error *err)
{
    struct stat info;
    if (stat(dir, &info) != 0) {
        return co_fail_errno(
            err, CO_DATA, errno,
            "%s: the folder of %s cannot be read ('cohort data fetch %s' gets the files)", dir,
            family->name, family->name);
    }
    if (!S_ISDIR(info.st_mode)) {
        out->is_archive = true;
        int length = snprintf(out->path, sizeof(out->path), "%s", dir);
        return length > 0 && (size_t)length < sizeof(out->path)
                   ? CO_OK
                   : co_fail(err, CO_DATA, "%.100s...: the path is too long", dir);
    }
    int best = -1;
    int most = 0;
    for (int i = 0; family->folders[i] != NULL; i++) {
        int found = look_in(family, dir, family->folders[i], out);
        if (found > most) {
            most = found;
            best = i;
        }
    }
    if (best >= 0) {
        look_in(family, dir, family->folders[best], out);
        return CO_OK;
    }
    return look_for_archive(family, dir, out) ? CO_OK : nothing_found(family, dir, err);
}
