#include "data/fetch_sets.h"

#include <ctype.h>
#include <stdbool.h>

static const uint64_t mib = (uint64_t)1 << 20;

#define CIFAR_TERMS                                                                                \
    "A. Krizhevsky, V. Nair, G. Hinton ask to cite 'Learning multiple layers of features from "    \
    "tiny images' (2009)"

static const co_fetch_set sets[] = {
    {.name = "mnist",
     .product = "mnist",
     .most_bytes = 64 * mib,
     .mirrors = {"https://ossci-datasets.s3.amazonaws.com/mnist/",
                 "https://storage.googleapis.com/cvdf-datasets/mnist/"},
     .files = {{"train-images-idx3-ubyte.gz",
                "sha256:440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"},
               {"train-labels-idx1-ubyte.gz",
                "sha256:3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"},
               {"t10k-images-idx3-ubyte.gz",
                "sha256:8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"},
               {"t10k-labels-idx1-ubyte.gz",
                "sha256:f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"}},
     .terms = "Y. LeCun, C. Cortes, C. Burges; commonly given as CC BY-SA 3.0"},
    {.name = "fashion_mnist",
     .product = "fashion-mnist",
     .most_bytes = 64 * mib,
     .mirrors = {"https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/"
                 "fashion/",
                 "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/"},
     .files = {{"train-images-idx3-ubyte.gz",
                "sha256:3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"},
               {"train-labels-idx1-ubyte.gz",
                "sha256:a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"},
               {"t10k-images-idx3-ubyte.gz",
                "sha256:346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"},
               {"t10k-labels-idx1-ubyte.gz",
                "sha256:67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"}},
     .terms = "MIT, Copyright (c) 2017 Zalando SE"},
    {.name = "cifar10",
     .product = "cifar-10-batches-bin",
     .most_bytes = 1024 * mib,
     .unpack = true,
     .mirrors = {"https://www.cs.toronto.edu/~kriz/"},
     .files = {{"cifar-10-binary.tar.gz", "md5:c32a1d4ab5d03f1284b67883e8d87530"}},
     .terms = CIFAR_TERMS},
    {.name = "cifar100",
     .product = "cifar-100-binary",
     .most_bytes = 1024 * mib,
     .unpack = true,
     .mirrors = {"https://www.cs.toronto.edu/~kriz/"},
     .files = {{"cifar-100-binary.tar.gz", "md5:03b5dce01913d631647c71ecec9e9cb8"}},
     .terms = CIFAR_TERMS},
    {.name = "tinyimagenet",
     .product = "tiny-imagenet-200",
     .most_bytes = 2048 * mib,
     .unpack = true,
     .mirrors = {"https://cs231n.stanford.edu/"},
     .files = {{"tiny-imagenet-200.zip", "md5:90528d7ca1a48142e341f4ef8d21d0de"}},
     .terms = "cut from ImageNet, whose terms of access apply: non-commercial research and "
              "education"},
    {.name = "flower_photos",
     .product = "flower_photos",
     .most_bytes = 1024 * mib,
     .unpack = true,
     .mirrors = {"https://storage.googleapis.com/download.tensorflow.org/example_images/"},
     .files = {{"flower_photos.tgz", "md5:6f87fb78e9cc9ab41eff2015b380011d"}},
     .terms = "CC BY 2.0, credit the photographers (flower_photos/LICENSE.txt)"},
    {.name = "nt3",
     .product = "CANDLE",
     .most_bytes = 4096 * mib,
     .mirrors = {"https://ftp.mcs.anl.gov/pub/candle/public/benchmarks/Pilot1/normal-tumor/"},
     .files = {{"nt_train2.csv", NULL}, {"nt_test2.csv", NULL}},
     .terms = "ECP-CANDLE benchmarks, Pilot1 NT3"},
};

const co_fetch_set *co_fetch_set_at(size_t index)
{
    return index < sizeof(sets) / sizeof(sets[0]) ? &sets[index] : NULL;
}

/* The next character that counts. */
static int next_character(const char **at)
{
    while (**at == '-' || **at == '_') {
        (*at)++;
    }
    int character = tolower((unsigned char)**at);
    *at += character != '\0';
    return character;
}

static bool same_name(const char *a, const char *b)
{
    int character = 0;
    do {
        character = next_character(&a);
        if (character != next_character(&b)) {
            return false;
        }
    } while (character != '\0');
    return true;
}

const co_fetch_set *co_fetch_set_find(const char *name)
{
    static const char *const aliases[][2] = {
        {"candle", "nt3"}, {"cifar100_coarse", "cifar100"}, {"tinyimagenet200", "tinyimagenet"}};
    for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
        name = same_name(name, aliases[i][0]) ? aliases[i][1] : name;
    }
    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
        if (same_name(name, sets[i].name)) {
            return &sets[i];
        }
    }
    return NULL;
}

const char *co_fetch_by_hand(const char *name)
{
    static const char *const rows[][2] = {
        {"imagenet", "ImageNet needs an account: https://image-net.org/download.php"},
        {"imagenet_blurred", "ImageNet needs an account: https://image-net.org/download.php"},
        {"imagenet100", "it is cut from ImageNet, which needs an account: "
                        "https://image-net.org/download.php"},
        {"imagenet100small", "it is cut from ImageNet, which needs an account: "
                             "https://image-net.org/download.php"},
        {"core50", "no checksum of it is published: https://vlomonaco.github.io/core50/"},
        {"glyphs", "it is built in and needs no files"},
        {"npy", "it is for arrays of your own"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (same_name(name, rows[i][0])) {
            return rows[i][1];
        }
    }
    return NULL;
}
