/* A program without a crash handler, for tests/vm/guest/core: crash {segv|thread|overflow|syscall|abort|loop N}. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int fall(void) { return *(volatile int *)0x1234; }

static void *worker(void *name) {
    pthread_setname_np(pthread_self(), name);
    if (strcmp(name, "worker-3") == 0) {
        usleep(200000);
        fall();
    }
    for (;;)
        pause();
}

static int deeper(int depth) {
    volatile char frame[4096];
    frame[0] = (char)depth;
    return deeper(depth + 1) + frame[0];
}

int main(int count, char **words) {
    const char *what = count > 1 ? words[1] : "segv";
    pthread_t thread;
    char *names[] = {"worker-1", "worker-2", "worker-3"};
    if (strcmp(what, "thread") == 0) {
        for (int n = 0; n < 3; n++)
            pthread_create(&thread, NULL, worker, names[n]);
        for (;;)
            pause();
    }
    if (strcmp(what, "overflow") == 0)
        return deeper(0);
    if (strcmp(what, "syscall") == 0)
        return getpriority(PRIO_PROCESS, 0);
    if (strcmp(what, "abort") == 0)
        abort();
    /* The program goes on while its children crash. */
    for (int n = strcmp(what, "loop") == 0 && count > 2 ? atoi(words[2]) : 0; n > 0; n--) {
        if (fork() == 0)
            return fall();
        wait(NULL);
    }
    return strcmp(what, "loop") == 0 ? 0 : fall();
}
