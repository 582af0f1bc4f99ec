/* Safetensors: bytes written by hand are read; what is written is read by a general JSON parser
 * and by our reader; every lie about sizes is refused with the tensor and the byte range. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/faults.h"
#include "base/text.h"
#include "state/safetensors.h"

static int make_folder(void **state)
{
    char *folder = calloc(1, CO_TEST_PATH_SIZE);
    *state = folder;
    return folder == NULL ? -1 : co_test_folder_make(folder);
}

static int remove_folder(void **state)
{
    co_test_folder_remove(*state);
    free(*state);
    return 0;
}

/* --- reading --------------------------------------------------------------------------- */

/* A file in memory from a header and `data_bytes` bytes 0, 1, 2, ... of data. */
typedef struct image {
    unsigned char *bytes;
    size_t size;
} image;

static image make_image(const char *json, size_t data_bytes)
{
    uint64_t length = strlen(json);
    image made = {.size = sizeof(length) + length + data_bytes};
    made.bytes = malloc(made.size);
    assert_non_null(made.bytes);
    memcpy(made.bytes, &length, sizeof(length)); /* little-endian, as the machine is */
    memcpy(made.bytes + sizeof(length), json, length);
    for (size_t i = 0; i < data_bytes; i++) {
        made.bytes[sizeof(length) + length + i] = (unsigned char)i;
    }
    return made;
}

static co_status open_json(const char *json, size_t data_bytes, co_error *err)
{
    image made = make_image(json, data_bytes);
    co_safetensors *file = NULL;
    co_status status = co_safetensors_open_memory(made.bytes, made.size, "model", &file, err);
    assert_true((status == CO_OK) == (file != NULL));
    co_safetensors_close(file);
    free(made.bytes);
    return status;
}

static void test_reads_hand_written_bytes(void **state)
{
    (void)state;
    static const unsigned char bytes[] =
        "\x90\0\0\0\0\0\0\0"
        "{\"b\":{\"shape\":[2],\"dtype\":\"F32\",\"data_offsets\":[1,9]},"
        " \"a\\u00e9\" : {\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]},"
        "\"__metadata__\":{\"k\":\"v\\n\"}}   "
        "\x2a"
        "\0\0\x80\x3f"
        "\0\0\0\xc0";
    co_safetensors *file = NULL;
    co_error err;
    assert_int_equal(co_safetensors_open_memory(bytes, sizeof(bytes) - 1, "hand", &file, &err),
                     CO_OK);
    assert_int_equal(co_safetensors_count(file), 2);
    const co_tensor_entry *first = co_safetensors_entry(file, 0);
    assert_string_equal(first->name, "aé");
    assert_int_equal(first->rank, 0);
    assert_int_equal(first->elements, 1);
    unsigned char one = 0;
    assert_int_equal(co_safetensors_read(file, first, &one, 1, &err), CO_OK);
    assert_int_equal(one, 0x2a);
    float two[2] = {0, 0};
    assert_int_equal(co_safetensors_read_f32(file, "b", 1, (const uint64_t[]){2}, two, &err),
                     CO_OK);
    assert_true(two[0] == 1.0f && two[1] == -2.0f);
    assert_string_equal(co_safetensors_metadata(file, "k"), "v\n");
    assert_null(co_safetensors_metadata(file, "none"));
    assert_null(co_safetensors_find(file, "c"));
    co_safetensors_close(file);
}

static void test_accepts_what_is_legal(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        size_t data;
    } legal[] = {
        {"{}", 0},
        {"{ }   ", 0},
        {"{\"__metadata__\":{}}", 0},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[0,5],\"data_offsets\":[0,0]}}", 0},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3,0],\"data_offsets\":[4,4]},"
         "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
         4},
        {"{\"a\":{\"dtype\":\"BF16\",\"shape\":[1,2,3,1,1,1,1,1],\"data_offsets\":[0,12]}}", 12},
        {"{\"a\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[1,17]},"
         "\"b\":{\"dtype\":\"BOOL\",\"shape\":[],\"data_offsets\":[0,1]}}",
         17},
        {"{\"\\ud83d\\ude00\\/\\t\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]}}", 8},
    };
    co_error err;
    for (size_t i = 0; i < sizeof(legal) / sizeof(legal[0]); i++) {
        co_status status = open_json(legal[i].json, legal[i].data, &err);
        if (status != CO_OK) {
            fail_msg("%s: %s", legal[i].json, err.text);
        }
    }
}

#define T(dtype, shape, offsets)                                                                   \
    "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void test_refuses_what_is_not(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        size_t data;
        const char *message;
    } refused[] = {
        {"", 0, "must start with '{'"},
        {" {}", 0, "must start with '{'"},
        {"[]", 0, "must start with '{'"},
        {"{", 0, "byte 9: expected '\"'"},
        {"{}x", 0, "only spaces may follow"},
        {"{}\n", 0, "only spaces may follow"},
        {"{\"a\":" T("F32", "[1]", "[0,4]") ",}", 4, "expected '\"'"},
        {"{\"a\":" T("F32", "[1]", "[0,4]"), 4, "expected '}'"},
        {"{\"a\":1}", 0, "expected '{'"},
        {"{\"a\":{}}", 0, "expected '\"'"},
        {"{\"\":" T("F32", "[1]", "[0,4]") "}", 4, "name must have 1 to 1024 bytes"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "needs dtype, shape and data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 4, "the key is there twice"},
        {"{\"a\":{\"dtype\":\"F32\",\"other\":1}}", 4, "nothing else"},
        {"{\"a\":" T("F31", "[1]", "[0,4]") "}", 4, "unknown dtype"},
        {"{\"a\":" T("F32", "[-1]", "[0,4]") "}", 4, "expected a whole number"},
        {"{\"a\":" T("F32", "[1.0]", "[0,4]") "}", 4, "expected ']'"},
        {"{\"a\":" T("F32", "[01]", "[0,4]") "}", 4, "expected a whole number"},
        {"{\"a\":" T("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, "too many numbers"},
        {"{\"a\":" T("F32", "[0,9223372036854775808]", "[0,0]") "}", 0, "too large"},
        {"{\"a\":" T("F32", "[18446744073709551616]", "[0,4]") "}", 4, "too large"},
        {"{\"a\":" T("F32", "[1]", "[0]") "}", 4, "two numbers"},
        {"{\"a\":" T("F32", "[1]", "[0,4,8]") "}", 4, "too many numbers"},
        {"{\"a\":" T("F32", "[1]", "[4,0]") "}", 4, "tensor a: its range is bytes 4-0"},
        {"{\"a\":" T("F32", "[2]", "[0,4]") "}", 4, "tensor a: its range is bytes 0-4"},
        {"{\"a\":" T("F64", "[2305843009213693952]", "[0,0]") "}", 0, "does not match"},
        {"{\"a\":" T("F32", "[4294967296,4294967296]", "[0,0]") "}", 0, "does not match"},
        {"{\"a\":" T("F32", "[1]", "[0,4]") "}", 3, "0-4 of 3 bytes of data, ends after the file"},
        {"{\"a\":" T("F32", "[1]", "[0,4]") "}", 5, "bytes 4-5 of the data belong to no tensor"},
        {"{\"a\":" T("F32", "[1]", "[4,8]") "}", 8, "leaves a hole"},
        {"{\"a\":" T("F32", "[1]", "[0,4]") ",\"b\":" T("F32", "[1]", "[8,12]") "}", 12,
         "tensor b: its range, bytes 8-12 of 12 bytes of data, leaves a hole"},
        {"{\"a\":" T("F32", "[2]", "[0,8]") ",\"b\":" T("F32", "[2]", "[4,12]") "}", 12,
         "tensor b: its range, bytes 4-12 of 12 bytes of data, overlaps"},
        {"{\"a\":" T("F32", "[1]", "[0,4]") ",\"a\":" T("F32", "[1]", "[4,8]") "}", 8,
         "tensor a is there twice"},
        {"{\"__metadata__\":{\"k\":\"1\",\"j\":\"\",\"k\":\"2\"}}", 0, "metadata k is there twice"},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "__metadata__ is there twice"},
        {"{\"__metadata__\":{\"k\":1}}", 0, "expected '\"'"},
        {"{\"a\\u0000b\":" T("F32", "[1]", "[0,4]") "}", 4, "escape is not allowed"},
        {"{\"\\ud800\":" T("F32", "[1]", "[0,4]") "}", 4, "escape is not allowed"},
        {"{\"\\u12g4\":" T("F32", "[1]", "[0,4]") "}", 4, "four hexadecimal digits"},
        {"{\"\\x\":" T("F32", "[1]", "[0,4]") "}", 4, "unknown escape"},
        {"{\"a\n\":" T("F32", "[1]", "[0,4]") "}", 4, "control character"},
        {"{\"a\xff\":" T("F32", "[1]", "[0,4]") "}", 4, "not UTF-8"},
        {"{\"a", 0, "does not end"},
    };
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        co_error err = {.text = ""};
        co_status status = open_json(refused[i].json, refused[i].data, &err);
        if (status != CO_FILE || strstr(err.text, refused[i].message) == NULL ||
            strncmp(err.text, "model: ", 7) != 0) {
            fail_msg("%s: status %d: %s", refused[i].json, status, err.text);
        }
    }
}

static void test_refuses_lying_lengths(void **state)
{
    (void)state;
    static const uint64_t lengths[] = {3, 100000001, UINT64_MAX, UINT64_MAX - 7, 1ull << 63};
    co_safetensors *file = NULL;
    co_error err;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        unsigned char bytes[10] = {0, 0, 0, 0, 0, 0, 0, 0, '{', '}'};
        memcpy(bytes, &lengths[i], 8);
        assert_int_equal(co_safetensors_open_memory(bytes, 10, "model", &file, &err), CO_FILE);
        assert_non_null(strstr(err.text, "bytes 0-8"));
    }
    for (size_t size = 0; size < 8; size++) {
        assert_int_equal(co_safetensors_open_memory("\2\0\0\0\0\0\0", size, "m", &file, &err),
                         CO_FILE);
    }
    assert_null(file);
}

/* More pairs of metadata than the limit, and a name of more than 1024 bytes. */
static void test_own_limits(void **state)
{
    (void)state;
    enum { SIZE = 200000 };
    char *json = malloc(SIZE);
    assert_non_null(json);
    co_error err;
    for (unsigned pairs = CO_SAFETENSORS_METADATA_MAX; pairs <= CO_SAFETENSORS_METADATA_MAX + 1;
         pairs++) {
        co_text text = co_text_over(json, SIZE);
        co_text_put(&text, "{\"__metadata__\":{");
        for (unsigned i = 0; i < pairs; i++) {
            co_text_printf(&text, "%s\"%u\":\"\"", i > 0 ? "," : "", i);
        }
        co_text_put(&text, "}}");
        assert_true(co_text_complete(&text));
        assert_int_equal(open_json(json, 0, &err),
                         pairs > CO_SAFETENSORS_METADATA_MAX ? CO_FILE : CO_OK);
    }
    for (int length = CO_SAFETENSORS_NAME_MAX; length <= CO_SAFETENSORS_NAME_MAX + 1; length++) {
        co_text text = co_text_over(json, SIZE);
        co_text_printf(&text, "{\"%0*d\":" T("U8", "[]", "[0,1]") "}", length, 7);
        assert_int_equal(open_json(json, 1, &err),
                         length > CO_SAFETENSORS_NAME_MAX ? CO_FILE : CO_OK);
    }
    free(json);
}

/* --- writing --------------------------------------------------------------------------- */

static const float weights[6] = {0.5f, -1.0f, 2.0f, 3.0f, 1e-30f, 7.0f};
static const int64_t batches = 12345;
static const unsigned char flags[3] = {1, 2, 3};

static const co_tensor_source sources[] = {
    {.name = "conv1.weight", .dtype = CO_DTYPE_F32, .rank = 2, .shape = {2, 3}, .data = weights},
    {.name = "bn.batches", .dtype = CO_DTYPE_I64, .rank = 0, .data = &batches},
    {.name = "empty", .dtype = CO_DTYPE_F16, .rank = 1, .shape = {0}, .data = NULL},
    {.name = "flags \"é\"", .dtype = CO_DTYPE_U8, .rank = 1, .shape = {3}, .data = flags},
};

enum { SOURCES = sizeof(sources) / sizeof(sources[0]) };

static const co_metadata pairs[] = {{"model", "lenet5"}, {"format", "pt"}};

static void save_example(const char *path)
{
    co_error err = {.text = ""};
    co_status status = co_safetensors_save(&co_files_system, path, sources, SOURCES, pairs, 2,
                                           &err);
    assert_string_equal(err.text, "");
    assert_int_equal(status, CO_OK);
}

/* The file's bytes, looked at without our reader: jansson for the header, offsets by hand. */
static void test_written_bytes(void **state)
{
    const char *path = CO_TEST_JOIN(*state, "model.safetensors");
    co_error err;
    char *bytes = NULL;
    size_t size = 0;
    uint64_t length = 0;
    save_example(path);
    assert_int_equal(co_file_read(path, 1 << 20, CO_FILE, &bytes, &size, &err), CO_OK);
    memcpy(&length, bytes, 8);
    assert_int_equal((8 + length) % 64, 0);
    assert_int_equal(size, 8 + length + 24 + 8 + 0 + 3);
    json_t *header = json_loadb(bytes + 8, length, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(header);
    assert_int_equal(json_object_size(header), SOURCES + 1);
    const char *dtype = NULL;
    int rows = 0;
    int columns = 0;
    int begin = -1;
    int end = -1;
    assert_int_equal(json_unpack(json_object_get(header, "conv1.weight"), "{s:s,s:[ii],s:[ii]}",
                                 "dtype", &dtype, "shape", &rows, &columns, "data_offsets", &begin,
                                 &end),
                     0);
    assert_string_equal(dtype, "F32");
    assert_int_equal(rows, 2);
    assert_int_equal(columns, 3);
    assert_int_equal(begin, 0);
    assert_int_equal(end, 24);
    assert_memory_equal(bytes + 8 + length, weights, 24);
    assert_memory_equal(bytes + 8 + length + 24, &batches, 8);
    assert_memory_equal(bytes + 8 + length + 32, flags, 3);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(header, "__metadata__"), "model")),
        "lenet5");
    json_decref(header);
    free(bytes);
}

static void test_round_trip(void **state)
{
    const char *path = CO_TEST_JOIN(*state, "model.safetensors");
    co_error err;
    co_safetensors *file = NULL;
    save_example(path);
    assert_int_equal(co_safetensors_open(path, &file, &err), CO_OK);
    assert_int_equal(co_safetensors_count(file), SOURCES);
    for (size_t i = 0; i < SOURCES; i++) {
        const co_tensor_entry *entry = co_safetensors_find(file, sources[i].name);
        assert_non_null(entry);
        assert_int_equal(entry->dtype, sources[i].dtype);
        assert_int_equal(entry->rank, sources[i].rank);
        assert_memory_equal(entry->shape, sources[i].shape, sizeof(entry->shape));
        unsigned char data[64];
        size_t bytes = (size_t)(entry->end - entry->begin);
        assert_int_equal(co_safetensors_read(file, entry, data, bytes, &err), CO_OK);
        if (bytes > 0) {
            assert_memory_equal(data, sources[i].data, bytes);
        }
        assert_int_equal(co_safetensors_read(file, entry, data, bytes + 1, &err), CO_FILE);
    }
    assert_int_equal(co_safetensors_metadata_count(file), 2);
    assert_string_equal(co_safetensors_metadata_at(file, 0)->key, "format");
    assert_string_equal(co_safetensors_metadata(file, "format"), "pt");
    co_safetensors_close(file);
}

static void test_same_bytes_each_time(void **state)
{
    char *first = NULL;
    char *second = NULL;
    size_t first_bytes = 0;
    size_t second_bytes = 0;
    co_error err;
    save_example(CO_TEST_JOIN(*state, "one"));
    save_example(CO_TEST_JOIN(*state, "another"));
    assert_int_equal(
        co_file_read(CO_TEST_JOIN(*state, "one"), 1 << 20, CO_FILE, &first, &first_bytes, &err),
        CO_OK);
    assert_int_equal(co_file_read(CO_TEST_JOIN(*state, "another"), 1 << 20, CO_FILE, &second,
                                  &second_bytes, &err),
                     CO_OK);
    assert_int_equal(first_bytes, second_bytes);
    assert_memory_equal(first, second, first_bytes);
    free(first);
    free(second);
}

static void test_wrong_model_is_named(void **state)
{
    const char *path = CO_TEST_JOIN(*state, "model.safetensors");
    co_error err;
    co_safetensors *file = NULL;
    float out[6];
    save_example(path);
    assert_int_equal(co_safetensors_open(path, &file, &err), CO_OK);
    assert_int_equal(
        co_safetensors_read_f32(file, "conv1.weight", 2, (const uint64_t[]){3, 2}, out, &err),
        CO_FILE);
    assert_non_null(strstr(err.text, "tensor conv1.weight is F32[2,3], expected F32[3,2]"));
    assert_non_null(strstr(err.text, path));
    assert_int_equal(co_safetensors_read_f32(file, "bn.batches", 0, NULL, out, &err), CO_FILE);
    assert_non_null(strstr(err.text, "is I64[], expected F32[]"));
    assert_int_equal(co_safetensors_read_f32(file, "conv2", 0, NULL, out, &err), CO_FILE);
    assert_non_null(strstr(err.text, "no tensor conv2"));
    co_safetensors_close(file);
}

/* A file that is cut anywhere is refused when it is opened; cut after that, when it is read. */
static void test_cut_files(void **state)
{
    const char *path = CO_TEST_JOIN(*state, "model.safetensors");
    const char *cut = CO_TEST_JOIN(*state, "cut");
    co_error err;
    char *bytes = NULL;
    size_t size = 0;
    co_safetensors *file = NULL;
    save_example(path);
    assert_int_equal(co_file_read(path, 1 << 20, CO_FILE, &bytes, &size, &err), CO_OK);
    for (size_t length = 0; length < size; length++) {
        assert_int_equal(co_safetensors_open_memory(bytes, length, "model", &file, &err), CO_FILE);
    }
    assert_int_equal(co_file_save(&co_files_system, cut, bytes, size, &err), CO_OK);
    assert_int_equal(co_safetensors_open(cut, &file, &err), CO_OK);
    assert_int_equal(truncate(cut, (off_t)size - 1), 0);
    unsigned char three[3];
    const co_tensor_entry *entry = co_safetensors_find(file, "flags \"é\"");
    assert_int_equal(co_safetensors_read(file, entry, three, 3, &err), CO_FILE);
    assert_non_null(strstr(err.text, "tensor flags"));
    assert_non_null(strstr(err.text, "bytes "));
    co_safetensors_close(file);
    free(bytes);
}

static void test_save_refuses(void **state)
{
    const char *path = CO_TEST_JOIN(*state, "model.safetensors");
    co_error err;
    co_tensor_source twice[2] = {sources[0], sources[0]};
    assert_int_equal(co_safetensors_save(&co_files_system, path, twice, 2, NULL, 0, &err),
                     CO_INTERNAL);
    assert_non_null(strstr(err.text, "conv1.weight is there twice"));
    co_tensor_source huge = sources[0];
    huge.shape[0] = UINT64_MAX / 2;
    assert_int_equal(co_safetensors_save(&co_files_system, path, &huge, 1, NULL, 0, &err),
                     CO_INTERNAL);
    co_tensor_source nameless = sources[0];
    nameless.name = "";
    assert_int_equal(co_safetensors_save(&co_files_system, path, &nameless, 1, NULL, 0, &err),
                     CO_INTERNAL);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(
        co_safetensors_save(&co_files_system, "/dev/null/m", sources, SOURCES, NULL, 0, &err),
        CO_FILE);
}

/* A full disk at any write leaves the old model as it was. */
static void test_full_disk_keeps_the_old_model(void **state)
{
    const char *path = CO_TEST_JOIN(*state, "model.safetensors");
    co_error err;
    unsigned fail_at = 1;
    for (; fail_at < 100; fail_at++) {
        assert_int_equal(co_file_save(&co_files_system, path, "old", 3, &err), CO_OK);
        co_faults faults;
        co_faults_init(&faults, fail_at, ENOSPC);
        co_status status = co_safetensors_save(&faults.files, path, sources, SOURCES, pairs, 2,
                                               &err);
        if (faults.failed == NULL) {
            assert_int_equal(status, CO_OK);
            break;
        }
        if (faults.renames == 0) {
            assert_int_equal(status, CO_FILE);
            assert_true(co_test_file_is(path, "old"));
        }
        assert_int_equal(access(CO_TEST_JOIN(*state, "model.safetensors.tmp"), F_OK), -1);
    }
    assert_true(fail_at > 10 && fail_at < 100);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_hand_written_bytes),
        cmocka_unit_test(test_accepts_what_is_legal),
        cmocka_unit_test(test_refuses_what_is_not),
        cmocka_unit_test(test_refuses_lying_lengths),
        cmocka_unit_test(test_own_limits),
        TEST(test_written_bytes),
        TEST(test_round_trip),
        TEST(test_same_bytes_each_time),
        TEST(test_wrong_model_is_named),
        TEST(test_cut_files),
        TEST(test_save_refuses),
        TEST(test_full_disk_keeps_the_old_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
