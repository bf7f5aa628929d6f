/*
 * find_bytes PLACE...: looks for byte strings in files and in the memory of processes, for tests
 * of where keys are. Standard input names them, a line each: a label, a blank, and 7 to 64 bytes
 * in hexadecimal. A place is the path of a file, or pid:NUMBER (which needs root). Prints
 * "label<TAB>place" once for each label in each place, then "read<TAB>bytes<TAB>place".
 *
 * Hundreds of strings are found in one pass: a bit for the first two bytes of each, a list behind.
 */

#include "common/base/str.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEEDLES_MAX 4096
#define NEEDLE_MIN 7
#define NEEDLE_MAX 64
#define CHUNK ((size_t)4 << 20)
#define PAGE 4096
/* Shadow memory of sanitizers is mapped in larger pieces; nothing of the program is there. */
#define LARGEST_MAPPING ((size_t)1 << 30)

struct needle {
	char label[64];
	uint8_t bytes[NEEDLE_MAX];
	size_t len;
	int next; /* of those that begin with the same two bytes; -1 ends */
	unsigned long found_in;
};

static struct needle needles[NEEDLES_MAX];
static int needle_count;
static int heads[65536];
static uint8_t chunk[CHUNK];

static unsigned
first_two(const uint8_t *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

static bool
read_needles(void)
{
	char line[256];

	memset(heads, 0xff, sizeof(heads));
	while (fgets(line, sizeof(line), stdin) != NULL) {
		struct needle *n = &needles[needle_count];
		char *hex = strchr(line, ' ');
		size_t label = hex != NULL ? (size_t)(hex - line) : 0;

		if (needle_count == NEEDLES_MAX || label == 0 || label >= sizeof(n->label))
			return false;
		memcpy(n->label, line, label);
		hex++;
		n->len = strcspn(hex, "\n") / 2;
		hex[strcspn(hex, "\n")] = '\0';
		if (n->len < NEEDLE_MIN || n->len > NEEDLE_MAX ||
		    hex_decode(hex, n->bytes, n->len, NULL) < 0)
			return false;
		n->next = heads[first_two(n->bytes)];
		heads[first_two(n->bytes)] = needle_count++;
	}
	return needle_count > 0;
}

static void
look(size_t len, unsigned long place_number, const char *place)
{
	for (size_t i = 0; i + NEEDLE_MIN <= len; i++) {
		for (int k = heads[first_two(chunk + i)]; k >= 0; k = needles[k].next) {
			struct needle *n = &needles[k];

			if (n->found_in == place_number || i + n->len > len ||
			    memcmp(chunk + i, n->bytes, n->len) != 0)
				continue;
			n->found_in = place_number;
			printf("%s\t%s\n", n->label, place);
		}
	}
}

/* From start to end; pieces overlap, and pages that cannot be read are left out. How much was. */
static size_t
look_through(int fd, size_t start, size_t end, unsigned long number, const char *place)
{
	size_t total = 0;

	for (size_t at = start; at < end;) {
		size_t want = end - at < CHUNK ? end - at : CHUNK;
		ssize_t n = pread(fd, chunk, want, (off_t)at);

		if (n > 0) {
			look((size_t)n, number, place);
			total += (size_t)n;
		}
		if (n == (ssize_t)CHUNK && at + CHUNK < end)
			at += CHUNK - NEEDLE_MAX;
		else
			at += n > 0 ? (size_t)n : PAGE;
	}
	return total;
}

static size_t
look_in_process(const char *pid, unsigned long number, const char *place)
{
	char path[64], line[1024], mode[8];
	unsigned long start, end;
	size_t total = 0;
	FILE *maps;
	int mem;

	snprintf(path, sizeof(path), "/proc/%s/maps", pid);
	maps = fopen(path, "re");
	snprintf(path, sizeof(path), "/proc/%s/mem", pid);
	mem = open(path, O_RDONLY | O_CLOEXEC);
	while (maps != NULL && mem >= 0 && fgets(line, sizeof(line), maps) != NULL) {
		char *rest;

		start = strtoul(line, &rest, 16);
		end = strtoul(rest + 1, &rest, 16);
		snprintf(mode, sizeof(mode), "%.4s", rest + 1);
		if (mode[0] == 'r' && end - start <= LARGEST_MAPPING && end >> 47 == 0)
			total += look_through(mem, start, end, number, place);
	}
	if (maps != NULL)
		fclose(maps);
	if (mem >= 0)
		close(mem);
	return total;
}

static size_t
look_in_file(const char *path, unsigned long number)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	size_t total = 0;

	if (fd >= 0 && fstat(fd, &st) == 0)
		total = look_through(fd, 0, (size_t)st.st_size, number, path);
	if (fd >= 0)
		close(fd);
	return total;
}

int
main(int argc, char **argv)
{
	if (!read_needles()) {
		fprintf(stderr, "find_bytes: standard input must be lines of a label and bytes\n");
		return 2;
	}
	for (int i = 1; i < argc; i++) {
		size_t total = strncmp(argv[i], "pid:", 4) == 0
		    ? look_in_process(argv[i] + 4, (unsigned long)i, argv[i])
		    : look_in_file(argv[i], (unsigned long)i);

		printf("read\t%zu\t%s\n", total, argv[i]);
	}
	return fflush(stdout) == 0 ? 0 : 1;
}
