#include "common/sys/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

/*
 * Two forms of the same promise. The real one is a list of what is allowed. A sanitizer's run-time
 * needs files, /proc, ptrace and processes of its own to report anything, so its builds have a
 * list of what is not.
 */
struct rule {
	int call;
	unsigned count;
	struct scmp_arg_cmp args[2];
};

#define ANY(name)                                                                                  \
	{                                                                                          \
		.call = SCMP_SYS(name), .count = 0                                                 \
	}
/* The bits of mask in argument arg are exactly value. */
#define BITS(name, arg, mask, value)                                                               \
	{                                                                                          \
		.call = SCMP_SYS(name), .count = 1, .args = {                                      \
			{(arg), SCMP_CMP_MASKED_EQ, (mask), (value)}                               \
		}                                                                                  \
	}

#ifndef CERTHERD_SANITIZED

#define SANITIZED 0
#define OTHERWISE SCMP_ACT_KILL_PROCESS
#define LISTED SCMP_ACT_ALLOW

static const struct rule rules[] = {
    /* what is open */
    ANY(read),
    ANY(readv),
    ANY(write),
    ANY(writev),
    ANY(recvmsg),
    ANY(recvfrom),
    ANY(sendmsg),
    ANY(sendto),
    ANY(poll),
    ANY(ppoll),
    ANY(close),
    ANY(shutdown),
    ANY(fstat),
    ANY(newfstatat), /* glibc's fstat; without a name it reaches nothing else */
    ANY(lseek),
    /* memory that is never executable */
    BITS(mmap, 2, PROT_EXEC, 0),
    BITS(mprotect, 2, PROT_EXEC, 0),
    ANY(munmap),
    ANY(mremap),
    ANY(madvise),
    ANY(brk),
    ANY(mlock),
    ANY(mlock2),
    ANY(munlock),
    /* threads: clone for them only, see clone3 below */
    BITS(clone, 0, CLONE_THREAD | CLONE_VM, CLONE_THREAD | CLONE_VM),
    ANY(futex),
    ANY(set_robust_list),
    ANY(rseq),
    ANY(sched_yield),
    ANY(sched_getaffinity),
    ANY(gettid),
    ANY(getpid),
    ANY(exit),
    ANY(exit_group),
    BITS(prctl, 0, ~UINT64_C(0), PR_SET_NAME),
    /* signals: abort() and the return from a handler */
    ANY(rt_sigaction),
    ANY(rt_sigprocmask),
    ANY(rt_sigreturn),
    ANY(tgkill),
    ANY(restart_syscall),
    /* time and randomness */
    ANY(clock_gettime),
    ANY(clock_nanosleep),
    ANY(gettimeofday),
    ANY(getrandom),
    ANY(getrusage),
};

#else

#define SANITIZED 1
#define OTHERWISE SCMP_ACT_ALLOW
#define LISTED SCMP_ACT_KILL_PROCESS

static const struct rule rules[] = {
    ANY(connect),
    ANY(bind),
    ANY(listen),
    ANY(accept),
    ANY(accept4),
    BITS(socket, 0, ~UINT64_C(0), 2),  /* AF_INET */
    BITS(socket, 0, ~UINT64_C(0), 10), /* AF_INET6 */
    BITS(open, 1, O_ACCMODE, O_WRONLY),
    BITS(open, 1, O_ACCMODE, O_RDWR),
    BITS(openat, 2, O_ACCMODE, O_WRONLY),
    BITS(openat, 2, O_ACCMODE, O_RDWR),
    ANY(creat),
    ANY(rename),
    ANY(renameat),
    ANY(renameat2),
    ANY(unlink),
    ANY(unlinkat),
    ANY(execveat),
};

#endif

static int
failed(int r, const char *what, struct err *err)
{
	return err_errno(err, -r, "cannot close the sandbox: %s", what);
}

static int
add_rules(scmp_filter_ctx filter, struct err *err)
{
	int r;

	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		/* A call that this architecture does not have needs no rule. */
		if (rules[i].call < 0)
			continue;
		r = seccomp_rule_add_array(
		    filter, LISTED, rules[i].call, rules[i].count, rules[i].args);
		if (r < 0)
			return failed(r, "a rule is refused", err);
	}
	if (OTHERWISE == SCMP_ACT_ALLOW)
		return 0;
	/* The arguments of clone3 lie in memory, where no filter sees them; glibc then uses clone.
	 */
	r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return r < 0 ? failed(r, "clone3 is refused", err) : 0;
}

/*
 * The C library reads files of its own accord, at times that are a matter of luck: localtime at the
 * first conversion of a time, overcommit_memory when a thread gives memory back to the system. The
 * first is done here, the second never; what is large comes from mmap and is given back anyway.
 */
static void
read_ahead(void)
{
	tzset();
	/* A sanitizer has a malloc of its own. */
	if (SANITIZED == 0)
		CHECK(mallopt(M_TRIM_THRESHOLD, INT_MAX) == 1);
}

int
sandbox_signer(struct err *err)
{
	scmp_filter_ctx filter = seccomp_init(OTHERWISE);
	int r;

	read_ahead();
	if (filter == NULL)
		return err_set(err, ERR_NOMEM, "cannot close the sandbox: no memory");
	/* All threads that there are, and refuse if one cannot be made to follow. */
	r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (r < 0) {
		r = failed(r, "threads cannot be made to follow", err);
	} else {
		r = add_rules(filter, err);
		if (r == 0) {
			r = seccomp_load(filter);
			if (r < 0)
				r = failed(r, "the kernel refuses the filter", err);
		}
	}
	seccomp_release(filter);
	return r;
}
