/* The lock of a run folder: refused while its owner lives, taken over when it is dead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/faults.h"

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

static int exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

/* A child that takes the lock, says so through the pipe, and waits to be killed. */
static pid_t start_owner(const char *path)
{
    int fds[2];
    char byte = 0;
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        co_error err;
        co_file_lock *lock = NULL;
        if (co_file_lock_take(path, &lock, &err) != CO_OK || write(fds[1], "x", 1) != 1) {
            _exit(1);
        }
        for (;;) {
            pause();
        }
    }
    (void)close(fds[1]);
    assert_int_equal(read(fds[0], &byte, 1), 1);
    (void)close(fds[0]);
    return child;
}

static void kill_owner(pid_t child)
{
    int status = 0;
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
}

static void test_take_and_release(void **state)
{
    const char *path = CO_TEST_JOIN(*state, "lock");
    co_error err;
    co_file_lock *lock = NULL;
    char expected[32];
    char host[80];
    (void)snprintf(expected, sizeof(expected), "%ld@", (long)getpid());
    assert_int_equal(gethostname(host, sizeof(host)), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(co_file_lock_take(path, &lock, &err), CO_OK);
        assert_string_equal(co_file_lock_previous(lock), "");
        char *data = NULL;
        size_t bytes = 0;
        assert_int_equal(co_file_read(path, 200, CO_FILE, &data, &bytes, &err), CO_OK);
        assert_memory_equal(data, expected, strlen(expected));
        assert_memory_equal(data + strlen(expected), host, strlen(host));
        free(data);
        co_file_lock_release(lock);
        assert_false(exists(path));
    }
    co_file_lock_release(NULL);
}

static void test_living_owner_is_named(void **state)
{
    const char *path = CO_TEST_JOIN(*state, "lock");
    co_error err;
    co_file_lock *lock = NULL;
    char owner[32];
    pid_t child = start_owner(path);
    (void)snprintf(owner, sizeof(owner), "%ld@", (long)child);
    assert_int_equal(co_file_lock_take(path, &lock, &err), CO_FILE);
    assert_non_null(strstr(err.text, owner));
    assert_non_null(strstr(err.text, path));
    assert_null(lock);
    assert_int_equal(kill(child, SIGSTOP), 0); /* stopped is not dead */
    assert_int_equal(co_file_lock_take(path, &lock, &err), CO_FILE);
    kill_owner(child);
}

static void test_dead_owner_is_replaced(void **state)
{
    const char *path = CO_TEST_JOIN(*state, "lock");
    co_error err;
    co_file_lock *lock = NULL;
    char owner[32];
    pid_t child = start_owner(path);
    kill_owner(child);
    assert_true(exists(path));
    (void)snprintf(owner, sizeof(owner), "%ld@", (long)child);
    assert_int_equal(co_file_lock_take(path, &lock, &err), CO_OK);
    assert_memory_equal(co_file_lock_previous(lock), owner, strlen(owner));
    /* and it is ours now */
    pid_t second = fork();
    assert_true(second >= 0);
    if (second == 0) {
        co_file_lock *other = NULL;
        _exit(co_file_lock_take(path, &other, &err) == CO_FILE ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(second, &status, 0), second);
    assert_int_equal(status, 0);
    co_file_lock_release(lock);
    assert_false(exists(path));
}

/* Many processes, each taking and releasing: at no time do two hold it (they would both see the
 * file that a holder makes and removes). */
static int contend(const char *path, const char *witness)
{
    co_error err;
    for (int won = 0; won < 40;) {
        co_file_lock *lock = NULL;
        if (co_file_lock_take(path, &lock, &err) != CO_OK) {
            continue;
        }
        if (mkdir(witness, 0700) != 0 || rmdir(witness) != 0) {
            return 1;
        }
        co_file_lock_release(lock);
        won++;
    }
    return 0;
}

static void test_one_at_a_time(void **state)
{
    enum { PROCESSES = 4 };
    char path[2 * CO_TEST_PATH_SIZE];
    char witness[2 * CO_TEST_PATH_SIZE];
    co_test_join(path, *state, "lock");
    co_test_join(witness, *state, "witness");
    pid_t children[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            _exit(contend(path, witness));
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status = -1;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
}

static void test_unwritable(void **state)
{
    co_error err;
    co_file_lock *lock = NULL;
    assert_int_equal(co_file_lock_take("/dev/null/lock", &lock, &err), CO_FILE);
    assert_non_null(strstr(err.text, "/dev/null/lock"));
    assert_int_equal(symlink("elsewhere", CO_TEST_JOIN(*state, "lock")), 0);
    assert_int_equal(co_file_lock_take(CO_TEST_JOIN(*state, "lock"), &lock, &err), CO_FILE);
    assert_null(lock);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(test_take_and_release),
        TEST(test_living_owner_is_named),
        TEST(test_dead_owner_is_replaced),
        TEST(test_one_at_a_time),
        TEST(test_unwritable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
