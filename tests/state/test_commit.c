/* Checkpoint folders: whole or not there, whatever call fails; every flipped bit, cut, missing file
 * and lie is named. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/faults.h"
#include "state/commit.h"

static const float weights[6] = {1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f};
static const float biases[2] = {0.5f, -0.5f};

static int make_folder(void **state)
{
    char *folder = malloc(CO_TEST_PATH_SIZE);
    *state = folder;
    return folder != NULL ? co_test_folder_make(folder) : -1;
}

static int remove_folder(void **state)
{
    co_test_folder_remove(*state);
    free(*state);
    return 0;
}

/* step-000007 with two tensors and a text. */
static co_status save(const co_files *files, const char *path, const char *text, co_error *err)
{
    const co_tensor_source tensors[] = {
        {"conv1.weight", CO_DTYPE_F32, 2, {2, 3}, weights},
        {"conv1.bias", CO_DTYPE_F32, 1, {2}, biases},
    };
    const co_metadata metadata[] = {{"format", "pt"}};
    co_commit *commit = NULL;
    uint64_t bytes = 0;
    CO_TRY(co_commit_begin(files, path, &commit, err));
    co_status status = co_commit_tensors(commit, "model.safetensors", tensors, 2, metadata, 1, err);
    if (status == CO_OK) {
        status = co_commit_bytes(commit, "notes", text, strlen(text), err);
    }
    if (status != CO_OK) {
        co_commit_abandon(commit);
        return status;
    }
    return co_commit_finish(commit, 7, &bytes, err);
}

static co_status verify(const char *path, co_error *err)
{
    co_committed *committed = NULL;
    CO_TRY(co_committed_open(path, &committed, err));
    co_status status = co_committed_verify(committed, NULL, err);
    co_committed_close(committed);
    return status;
}

static void test_round_trip(void **state)
{
    co_error err = {0};
    const char *path = CO_TEST_JOIN(*state, "a/step-000007");
    co_committed *committed = NULL;
    assert_int_equal(save(&co_files_system, path, "hello", &err), CO_OK);
    assert_int_equal(verify(path, &err), CO_OK);
    assert_int_equal(co_committed_open(path, &committed, &err), CO_OK);
    const co_manifest *manifest = co_committed_manifest(committed);
    assert_int_equal(manifest->step, 7);
    assert_int_equal(manifest->file_count, 2);
    assert_int_equal(manifest->files[0].count, 3);
    assert_string_equal(manifest->ranges[1].name, "conv1.weight");
    assert_int_equal(manifest->ranges[1].end - manifest->ranges[1].begin, sizeof(weights));
    /* the manifest's word against the file's own */
    char *file_path = NULL;
    co_safetensors *file = NULL;
    float values[6];
    const uint64_t shape[2] = {2, 3};
    assert_int_equal(co_committed_path(committed, "model.safetensors", &file_path, &err), CO_OK);
    assert_int_equal(co_safetensors_open(file_path, &file, &err), CO_OK);
    assert_int_equal(co_safetensors_read_f32(file, "conv1.weight", 2, shape, values, &err), CO_OK);
    assert_memory_equal(values, weights, sizeof(weights));
    assert_true(co_hash_equal(manifest->ranges[1].hash, co_hash_bytes(weights, sizeof(weights))));
    co_safetensors_close(file);
    co_free(file_path);
    char *text = NULL;
    size_t bytes = 0;
    assert_int_equal(co_committed_read(committed, "notes", &text, &bytes, &err), CO_OK);
    assert_string_equal(text, "hello");
    co_free(text);
    assert_int_equal(co_committed_read(committed, "nothing", &text, &bytes, &err), CO_FILE);
    assert_non_null(strstr(err.text, "has no file nothing"));
    co_committed_close(committed);
    /* saved again, over itself */
    assert_int_equal(save(&co_files_system, path, "another", &err), CO_OK);
    assert_int_equal(verify(path, &err), CO_OK);
    assert_int_equal(access(CO_TEST_JOIN(*state, "a/step-000007.tmp"), F_OK), -1);
    assert_int_equal(access(CO_TEST_JOIN(*state, "a/step-000007.old.tmp"), F_OK), -1);
}

/* Whichever call fails: either nothing of that name, or all of it; and what was there before under
 * the same name is whole. The next save cleans up. */
static void check_fault(const char *folder, unsigned n, int error_number, bool before, bool *hit)
{
    co_error err = {0};
    co_faults faults;
    co_faults sound;
    char path[2 * CO_TEST_PATH_SIZE];
    co_test_join(path, folder, "step-000007");
    co_faults_init(&sound, 0, 0);
    sound.no_sync = 1;
    assert_int_equal(co_file_remove_folder(&sound.files, path, &err), CO_OK);
    if (before) {
        assert_int_equal(save(&sound.files, path, "before", &err), CO_OK);
    }
    co_faults_init(&faults, n, error_number);
    faults.short_write = 50;
    faults.no_sync = 1;
    co_status status = save(&faults.files, path, "after", &err);
    *hit = faults.failed != NULL;
    if (status != CO_OK) {
        assert_int_equal(status, CO_FILE);
        assert_non_null(strstr(err.text, strerror(error_number)));
    }
    bool there = access(path, F_OK) == 0;
    assert_true(there || (!before && status != CO_OK));
    if (there) {
        assert_int_equal(verify(path, &err), CO_OK);
    }
    assert_int_equal(save(&sound.files, path, "at last", &err), CO_OK);
    assert_int_equal(verify(path, &err), CO_OK);
}

static void test_every_call_fails(void **state)
{
    static const int errors[] = {EIO, ENOSPC, EDQUOT};
    for (size_t e = 0; e < 3; e++) {
        for (int before = 0; before < 2; before++) {
            bool hit = true;
            unsigned n = 1;
            for (; hit; n++) {
                check_fault(*state, n, errors[e], before != 0, &hit);
            }
            assert_true(n > 40);
        }
    }
}

static char *read_whole(const char *path, size_t *bytes)
{
    char *data = NULL;
    co_error err;
    assert_int_equal(co_file_read(path, 1u << 20, CO_FILE, &data, bytes, &err), CO_OK);
    return data;
}

static void write_whole(const char *path, const void *data, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

/* The range of the tensors file that byte `at` lies in. */
static const char *range_at(const co_manifest *manifest, size_t at)
{
    for (size_t i = 0; i < manifest->files[0].count; i++) {
        if (at < manifest->ranges[i].end) {
            return manifest->ranges[i].name;
        }
    }
    return NULL;
}

static void test_every_flip_and_cut_is_named(void **state)
{
    co_error err = {0};
    char path[2 * CO_TEST_PATH_SIZE];
    char file[2 * CO_TEST_PATH_SIZE];
    size_t bytes = 0;
    co_committed *committed = NULL;
    co_test_join(path, *state, "step-000007");
    assert_int_equal(save(&co_files_system, path, "text", &err), CO_OK);
    assert_int_equal(co_committed_open(path, &committed, &err), CO_OK);
    co_test_join(file, path, "model.safetensors");
    char *good = read_whole(file, &bytes);
    char *bad = malloc(bytes + 1);
    assert_non_null(bad);
    for (size_t at = 0; at < bytes; at++) {
        const char *name = range_at(co_committed_manifest(committed), at);
        memcpy(bad, good, bytes);
        bad[at] ^= (char)(1 << at % 8);
        write_whole(file, bad, bytes);
        assert_int_equal(co_committed_verify(committed, NULL, &err), CO_FILE);
        assert_non_null(strstr(err.text, name));
        assert_non_null(strstr(err.text, "damaged"));
        write_whole(file, good, at); /* cut there */
        assert_int_equal(co_committed_verify(committed, NULL, &err), CO_FILE);
        assert_non_null(strstr(err.text, name));
        assert_non_null(strstr(err.text, "cut short"));
    }
    memcpy(bad, good, bytes);
    bad[bytes] = 0;
    write_whole(file, bad, bytes + 1);
    assert_int_equal(co_committed_verify(committed, NULL, &err), CO_FILE);
    assert_non_null(strstr(err.text, "the manifest says"));
    assert_int_equal(unlink(file), 0);
    assert_int_equal(co_committed_verify(committed, NULL, &err), CO_FILE);
    assert_non_null(strstr(err.text, "No such file"));
    assert_int_equal(mkdir(file, 0777), 0);
    assert_int_equal(co_committed_verify(committed, NULL, &err), CO_FILE);
    assert_int_equal(rmdir(file), 0);
    co_committed_close(committed);
    free(bad);
    co_free(good);
}

static void test_every_flip_of_the_manifest(void **state)
{
    co_error err = {0};
    char path[2 * CO_TEST_PATH_SIZE];
    char file[2 * CO_TEST_PATH_SIZE];
    size_t bytes = 0;
    co_test_join(path, *state, "step-000007");
    assert_int_equal(save(&co_files_system, path, "text", &err), CO_OK);
    co_test_join(file, path, "manifest");
    char *text = read_whole(file, &bytes);
    co_manifest manifest = {0};
    assert_int_equal(co_manifest_parse(text, bytes, "m", &manifest, &err), CO_OK);
    co_manifest_free(&manifest);
    for (size_t at = 0; at < bytes; at++) {
        text[at] ^= (char)(1 << at % 8);
        assert_int_equal(co_manifest_parse(text, bytes, "m", &manifest, &err), CO_FILE);
        text[at] ^= (char)(1 << at % 8);
        assert_int_equal(co_manifest_parse(text, at, "m", &manifest, &err), CO_FILE);
    }
    co_free(text);
}

/* Text that its own hash agrees with, but that is wrong. */
static void refuse(const char *body, const char *words)
{
    char text[1024];
    char hash[CO_HASH_TEXT_SIZE];
    co_error err = {0};
    co_manifest manifest = {0};
    co_hash_text(co_hash_bytes(body, strlen(body)), hash);
    int length = snprintf(text, sizeof(text), "%send %s\n", body, hash);
    co_status status = co_manifest_parse(text, (size_t)length, "m", &manifest, &err);
    if (words == NULL) {
        assert_int_equal(status, CO_OK);
        co_manifest_free(&manifest);
        return;
    }
    assert_int_equal(status, CO_FILE);
    if (strstr(err.text, words) == NULL) {
        fail_msg("'%s' has no '%s'", err.text, words);
    }
}

#define H    "0123456789abcdef0123456789abcdef"
#define HEAD "cohort checkpoint 1\nstep 7\n"

static void test_lying_manifests(void **state)
{
    (void)state;
    refuse(HEAD "file a\n0 3 " H " x\n3 4 " H " y\n", NULL);
    refuse(HEAD, NULL);
    refuse("cohort checkpoint 2\nstep 7\n", "version 2; this program reads version 1");
    refuse("cohort checkpoint \nstep 7\n", "not the manifest");
    refuse("step 7\n", "not the manifest");
    refuse("cohort checkpoint 1\nstep -7\n", "line 2: expected: step and a number");
    refuse("cohort checkpoint 1\nstep 99999999999999999999\n", "expected: step");
    refuse(HEAD "0 3 " H " x\n", "line 3: a range without a file");
    refuse(HEAD "file ../a\n", "line 3: not a name");
    refuse(HEAD "file .hidden\n", "line 3: not a name");
    refuse(HEAD "file a/b\n", "line 3: not a name");
    refuse(HEAD "file a\nfile a\n", "line 4: the same file twice");
    refuse(HEAD "file a\n1 3 " H " x\n", "must follow one another");
    refuse(HEAD "file a\n0 3 " H " x\n2 4 " H " y\n", "line 5: the ranges");
    refuse(HEAD "file a\n0 3 " H " x\n3 2 " H " y\n", "line 5: the ranges");
    refuse(HEAD "file a\n0 03 " H " x\n", "expected: begin end hash name");
    refuse(HEAD "file a\n0 3 " H "x\n", "expected: begin end hash name");
    refuse(HEAD "file a\n0 3 " H " \n", "expected: begin end hash name");
    refuse(HEAD "file a\n0 3 0123 x\n", "expected: begin end hash name");
    refuse(HEAD "end " H "\n", "a range without a file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_every_call_fails, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_every_flip_and_cut_is_named, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_every_flip_of_the_manifest, make_folder,
                                        remove_folder),
        cmocka_unit_test(test_lying_manifests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
