// Embeddings in SQLite: bertq_embed(text) is a blob of float32, as sqlite-vec and others take; NULL for NULL.
//
//     cc -shared -fPIC -I include bertq_sqlite.c -L lib -lbertq -o bertq_sqlite.so
//     BERTQ_MODEL=minilm.bertq sqlite3
//     sqlite> .load ./bertq_sqlite
//     sqlite> select bertq_dimensions(), length(bertq_embed('a text'));
//
// The model is opened by the first call of a connection; its weights are shared by all processes. A text has the same bits for
// ever, so that the functions are deterministic: an index or a generated column may rest on them.
#include <bertq.h>
#include <sqlite3ext.h>
#include <stdlib.h>
SQLITE_EXTENSION_INIT1

// A connection's model, NULL until it is needed. SQLite serves a connection one call at a time.
typedef struct { bertq_model *model; } Place;

static void let_go(void *pointer) {
  Place *place = pointer;
  bertq_close(place->model);
  sqlite3_free(place);
}

static void report(sqlite3_context *context, const bertq_error *error) {
  sqlite3_result_error(context, error->message, -1);
}

static bertq_model *opened(sqlite3_context *context) {
  Place *place = sqlite3_user_data(context);
  if (place->model) return place->model;
  const char *path = getenv("BERTQ_MODEL");
  if (!path) {
    sqlite3_result_error(context, "BERTQ_MODEL names no .bertq file", -1);
    return NULL;
  }
  bertq_error error = {.size = sizeof error};
  bertq_options options = {.size = sizeof options, .threads = 1};
  if (bertq_open(path, &options, &place->model, &error)) report(context, &error);
  return place->model;
}

static void embed(sqlite3_context *context, int count, sqlite3_value **values) {
  (void)count;
  if (sqlite3_value_type(values[0]) == SQLITE_NULL) return;
  bertq_model *model = opened(context);
  if (!model) return;
  const void *text = sqlite3_value_text(values[0]);
  int64_t offsets[] = {0, sqlite3_value_bytes(values[0])};
  bertq_input input = {.size = sizeof input, .count = 1, .offset_size = 8, .bytes = text ? text : "", .offsets = offsets};
  size_t width = bertq_dimensions(model);
  float *vector = sqlite3_malloc64(width * sizeof *vector);
  if (!vector) {
    sqlite3_result_error_nomem(context);
    return;
  }
  bertq_error error = {.size = sizeof error};
  if (bertq_embed(model, &input, NULL, vector, width, NULL, &error)) {
    report(context, &error);
    sqlite3_free(vector);
  } else {
    sqlite3_result_blob64(context, vector, width * sizeof *vector, sqlite3_free);
  }
}

static void dimensions(sqlite3_context *context, int count, sqlite3_value **values) {
  (void)count, (void)values;
  bertq_model *model = opened(context);
  if (model) sqlite3_result_int64(context, (sqlite3_int64)bertq_dimensions(model));
}

__attribute__((visibility("default"))) int sqlite3_bertqsqlite_init(sqlite3 *db, char **message, const sqlite3_api_routines *api) {
  (void)message;
  SQLITE_EXTENSION_INIT2(api)
  const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC;
  Place *place = sqlite3_malloc(sizeof *place), *other = sqlite3_malloc(sizeof *other);
  if (!place || !other) {
    sqlite3_free(place), sqlite3_free(other);
    return SQLITE_NOMEM;
  }
  place->model = other->model = NULL;
  int code = sqlite3_create_function_v2(db, "bertq_embed", 1, flags, place, embed, NULL, NULL, let_go);
  if (code) {
    sqlite3_free(other);
    return code;
  }
  return sqlite3_create_function_v2(db, "bertq_dimensions", 0, flags, other, dimensions, NULL, NULL, let_go);
}
