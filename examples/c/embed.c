// Embeds texts, one a line: rows of float32 on standard output.
//
//     cc -I include embed.c -L lib -lbertq -o embed
//     ./embed model.bertq < texts.txt > vectors.f32
#define _GNU_SOURCE
#include <bertq.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXTS = 4096 };

static int fail(const bertq_error *error) {
  fprintf(stderr, "%s: %s\n", error->kind, error->message);
  return 1;
}

int main(int count, char **arguments) {
  if (count != 2) {
    fprintf(stderr, "usage: embed MODEL < TEXTS\n");
    return BERTQ_USAGE;
  }
  bertq_error error = {.size = sizeof error};
  bertq_options options = {.size = sizeof options};
  bertq_model *model;
  int32_t code = bertq_open(arguments[1], &options, &model, &error);
  if (code) return fail(&error), code;

  size_t width = bertq_dimensions(model), read = 0;
  fprintf(stderr, "bertq %s: %zu numbers for each text\n", bertq_version(), width);
  float *vectors = malloc(TEXTS * width * sizeof *vectors);
  int64_t *offsets = malloc((TEXTS + 1) * sizeof *offsets);
  char *texts = NULL, *line = NULL;
  size_t room = 0, line_room = 0;
  ssize_t length = 0;
  if (!vectors || !offsets) return BERTQ_SYSTEM;

  while (length >= 0) {
    // Texts lie end to end; offsets say where each begins.
    bertq_input input = {.size = sizeof input, .offsets = offsets, .offset_size = sizeof *offsets};
    offsets[0] = 0;
    while (input.count < TEXTS && (length = getline(&line, &line_room, stdin)) >= 0) {
      if (length > 0 && line[length - 1] == '\n') length--;
      size_t end = (size_t)offsets[input.count] + (size_t)length;
      if (end > room) {
        room = 2 * end;
        if (!(texts = realloc(texts, room))) return BERTQ_SYSTEM;
      }
      memcpy(texts + offsets[input.count], line, (size_t)length);
      offsets[++input.count] = (int64_t)end;
    }
    if (input.count == 0) break;
    input.bytes = texts;
    bertq_request request = {.size = sizeof request, .truncates = 1, .priority = 2};
    code = bertq_embed(model, &input, &request, vectors, TEXTS * width, NULL, &error);
    if (code) {
      fprintf(stderr, "line %lld: ", (long long)(read + (size_t)error.text + 1));
      return fail(&error), code;
    }
    fwrite(vectors, sizeof *vectors, input.count * width, stdout);
    read += input.count;
  }
  bertq_close(model);
  free(texts), free(line), free(offsets), free(vectors);
  return ferror(stdout) ? BERTQ_CANNOT_WRITE : 0;
}
