/*
 * Runs a fuzz target over the files of a corpus, in builds that have no libFuzzer: each argument is
 * a file or a directory of files. What a fuzzer once found stays found.
 */

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MAX (1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data, *exact;
	size_t n;

	if (f == NULL) {
		perror(path);
		return 1;
	}
	data = calloc(1, FILE_MAX);
	n = data != NULL ? fread(data, 1, FILE_MAX, f) : 0;
	fclose(f);
	/* A block of just that size, so that a read behind its end is seen. */
	exact = calloc(1, n > 0 ? n : 1);
	if (data == NULL || exact == NULL)
		abort();
	memcpy(exact, data, n);
	free(data);
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	return 0;
}

static int
run_directory(const char *path, unsigned *count)
{
	struct dirent **names = NULL;
	int n = scandir(path, &names, NULL, alphasort), failed = 0;

	for (int i = 0; i < n; i++) {
		char file[4096];

		snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name);
		if (names[i]->d_name[0] != '.') {
			failed |= run_file(file);
			(*count)++;
		}
		free(names[i]);
	}
	free(names);
	return n < 0 ? 1 : failed;
}

int
main(int argc, char **argv)
{
	unsigned count = 0;
	int failed = 0;

	for (int i = 1; i < argc; i++) {
		struct stat st;

		if (stat(argv[i], &st) != 0) {
			perror(argv[i]);
			return 1;
		}
		if (S_ISDIR(st.st_mode))
			failed |= run_directory(argv[i], &count);
		else {
			failed |= run_file(argv[i]);
			count++;
		}
	}
	printf("%u inputs\n", count);
	if (count == 0)
		fprintf(stderr, "there is no corpus\n");
	return failed != 0 || count == 0;
}
