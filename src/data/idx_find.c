#include "data/idx_find.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char *const digit_names[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
static const char *const fashion_names[] = {"T-shirt/top", "Trouser",   "Pullover", "Dress",
                                            "Coat",        "Sandal",    "Shirt",    "Sneaker",
                                            "Bag",         "Ankle boot"};

/* Sub-folders first: a folder of that name is meant, loose files may be of another set. */
static const char *const mnist_folders[] = {"mnist", "MNIST/raw", "MNIST", "raw", ".", NULL};
static const char *const fashion_folders[] = {
    "fashion-mnist", "fashion_mnist", "FashionMNIST/raw", "FashionMNIST", "raw", ".", NULL};

static const co_idx_family families[] = {
    {"mnist", 10, digit_names, mnist_folders, "'cohort data fetch mnist' gets the four .gz files"},
    {"fashion_mnist", 10, fashion_names, fashion_folders,
     "'cohort data fetch fashion_mnist' gets the four .gz files"},
};

static const char *const stems[CO_IDX_FILES][2] = {
    {"train-images-idx3-ubyte", "train-images.idx3-ubyte"},
    {"train-labels-idx1-ubyte", "train-labels.idx1-ubyte"},
    {"t10k-images-idx3-ubyte", "t10k-images.idx3-ubyte"},
    {"t10k-labels-idx1-ubyte", "t10k-labels.idx1-ubyte"},
};
static const char *const endings[] = {"", ".gz", ".xz"};

enum { STEMS = 2, ENDINGS = 3, FAMILIES = 2 };

const co_idx_family *co_idx_family_find(const char *name)
{
    for (int i = 0; i < FAMILIES; i++) {
        if (strcmp(name, families[i].name) == 0) {
            return &families[i];
        }
    }
    return NULL;
}

/* false when the name is too long or there is nothing of that name. */
static bool find_role(const char *folder, co_idx_role role, char path[PATH_MAX])
{
    struct stat info;
    for (int i = 0; i < ENDINGS * STEMS; i++) {
        int length = snprintf(path, PATH_MAX, "%s/%s%s", folder, stems[role][i / ENDINGS],
                              endings[i % ENDINGS]);
        if (length > 0 && length < PATH_MAX && stat(path, &info) == 0) {
            return true;
        }
    }
    path[0] = '\0';
    return false;
}

static int look_in(const char *dir, const char *sub, co_idx_paths *paths)
{
    bool itself = strcmp(sub, ".") == 0;
    int length = snprintf(paths->folder, sizeof(paths->folder), "%s%s%s", dir, itself ? "" : "/",
                          itself ? "" : sub);
    if (length < 0 || (size_t)length >= sizeof(paths->folder)) {
        return 0;
    }
    int found = 0;
    for (int role = 0; role < CO_IDX_FILES; role++) {
        found += find_role(paths->folder, (co_idx_role)role, paths->file[role]);
    }
    return found;
}

static co_status nothing_found(const co_idx_family *family, const char *dir, co_error *err)
{
    char folders[256] = "";
    size_t used = 0;
    for (int i = 0; family->folders[i] != NULL && used < sizeof(folders); i++) {
        int more = snprintf(folders + used, sizeof(folders) - used, "%s%s", i > 0 ? ", " : "",
                            strcmp(family->folders[i], ".") == 0 ? "the folder itself"
                                                                 : family->folders[i]);
        used += more > 0 ? (size_t)more : 0;
    }
    return co_fail(err, CO_DATA,
                   "%s: no files of %s in this folder: looked in %s for %s, %s, %s, %s, plain or "
                   "with .gz or .xz; %s",
                   dir, family->name, folders, stems[0][0], stems[1][0], stems[2][0], stems[3][0],
                   family->help);
}

co_status co_idx_find(const co_idx_family *family, const char *dir, co_idx_paths *out,
                      co_error *err)
{
    struct stat info;
    if (stat(dir, &info) != 0) {
        int error = errno;
        return co_fail_errno(err, CO_DATA, error, "%s: the folder of %s cannot be read (%s)", dir,
                             family->name, family->help);
    }
    if (!S_ISDIR(info.st_mode)) {
        return co_fail(err, CO_DATA, "%s: is not a folder; name the one that has the files of %s",
                       dir, family->name);
    }
    int best = -1;
    int most = 0;
    for (int i = 0; family->folders[i] != NULL; i++) {
        int found = look_in(dir, family->folders[i], out);
        if (found > most) {
            most = found;
            best = i;
        }
    }
    if (best < 0) {
        return nothing_found(family, dir, err);
    }
    look_in(dir, family->folders[best], out);
    return CO_OK;
}

co_status co_idx_missing(const co_idx_family *family, const co_idx_paths *paths, co_idx_role role,
                         co_error *err)
{
    return co_fail(err, CO_DATA, "%s: %s is missing (looked for it plain, with .gz and .xz); %s",
                   paths->folder, stems[role][0], family->help);
}
