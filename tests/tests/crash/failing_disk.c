/*
 * A disk that fails: preloaded into the daemon (LD_PRELOAD), it has some of the calls on files of one directory fail.
 *
 * HASSES_FAILING_IN is the directory. HASSES_FAILING is a file with five numbers, read at every call: how many of a hundred
 * opens, writes, syncs and truncations fail, and with which errno. HASSES_FAILING_SEED decides which ones.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum kind { OPENS, WRITES, SYNCS, TRUNCATIONS, KINDS };

static int chance(int below) {
    static atomic_ullong state;
    unsigned long long now = atomic_fetch_add(&state, 1);
    const char *seed = getenv("HASSES_FAILING_SEED");
    now = (now + (seed ? strtoull(seed, NULL, 10) : 0) + 1) * 0x9e3779b97f4a7c15ULL;
    now = (now ^ (now >> 30)) * 0xbf58476d1ce4e5b9ULL;
    now = (now ^ (now >> 27)) * 0x94d049bb133111ebULL;
    return (int)((now >> 33) % (unsigned)below);
}

static int real_open(const char *path, int flags) {
    static int (*next)(const char *, int, ...);
    if (!next) next = dlsym(RTLD_NEXT, "open64");
    return next(path, flags);
}

/* Whether this call fails; errno is set then. */
static int fails(enum kind kind, const char *path) {
    const char *directory = getenv("HASSES_FAILING_IN"), *control = getenv("HASSES_FAILING");
    if (!directory || !control || strncmp(path, directory, strlen(directory)) != 0) return 0;
    char text[64] = "";
    int percent[KINDS] = {0}, error = 0;
    int file = real_open(control, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    ssize_t got = read(file, text, sizeof text - 1);
    close(file);
    if (got <= 0) return 0;
    if (sscanf(text, "%d %d %d %d %d", &percent[OPENS], &percent[WRITES], &percent[SYNCS], &percent[TRUNCATIONS], &error) != 5)
        return 0;
    if (chance(100) >= percent[kind]) return 0;
    errno = error;
    return 1;
}

static int fails_at(enum kind kind, int file) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return fails(kind, path);
}

int open64(const char *path, int flags, ...) {
    static int (*next)(const char *, int, ...);
    if (!next) next = dlsym(RTLD_NEXT, "open64");
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
    va_end(more);
    return fails(OPENS, path) ? -1 : next(path, flags, mode);
}

int open(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
    va_end(more);
    return open64(path, flags, mode);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) {
    static ssize_t (*next)(int, const void *, size_t, off64_t);
    if (!next) next = dlsym(RTLD_NEXT, "pwrite64");
    if (!fails_at(WRITES, file)) return next(file, bytes, count, at);
    int error = errno;
    /* Half of it may be there all the same. */
    if (chance(2)) next(file, bytes, count / 2, at);
    errno = error;
    return -1;
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t at) { return pwrite64(file, bytes, count, at); }

int fsync(int file) {
    static int (*next)(int);
    if (!next) next = dlsym(RTLD_NEXT, "fsync");
    return fails_at(SYNCS, file) ? -1 : next(file);
}

int fdatasync(int file) {
    static int (*next)(int);
    if (!next) next = dlsym(RTLD_NEXT, "fdatasync");
    return fails_at(SYNCS, file) ? -1 : next(file);
}

int ftruncate64(int file, off64_t length) {
    static int (*next)(int, off64_t);
    if (!next) next = dlsym(RTLD_NEXT, "ftruncate64");
    return fails_at(TRUNCATIONS, file) ? -1 : next(file, length);
}

int ftruncate(int file, off_t length) { return ftruncate64(file, length); }
