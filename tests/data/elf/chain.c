/* The libraries beside this file: CC -O2 -fomit-frame-pointer -g -gdwarf-5 -fPIC -shared -nostdlib -Wl,--build-id=sha1
 * -Wl,-z,max-page-size=4096,-z,noseparate-code -fno-stack-protector -o MACHINE.so chain.c; 32-bit ARM with -fno-unwind-tables, so that it has .debug_frame alone. */
#define CALL __attribute__((noinline, noclone))
static void use(volatile char *room) { __asm__ volatile("" :: "r"(room) : "memory"); }

CALL int leaf(int *where) { return *where; }
CALL int outer(int *where) { volatile char room[256] = {0}; use(room); int value = leaf(where); use(room); return value; }
