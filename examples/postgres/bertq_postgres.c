// Embeddings in PostgreSQL: bertq_embed(text) is real[], which casts to pgvector's vector; NULL for NULL.
//
//     cc -shared -fPIC -I include -I "$(pg_config --includedir-server)" bertq_postgres.c -L lib -lbertq -o bertq_postgres.so
//     create function bertq_embed(text) returns real[] as '/path/bertq_postgres', 'bertq_embed_text' language c strict immutable parallel safe;
//     set bertq.model = '/path/minilm.bertq';
//     update articles set vector = bertq_embed(body);
//
// Each backend opens the model for itself at its first call, in milliseconds; the weights are shared by all. A vector has the
// same bits for ever as long as the setting names the same file, so that `immutable` is honest: generated columns and indexes of
// expressions may rest on it. The text's database must be in UTF-8.
#include <postgres.h>

#include <catalog/pg_type.h>
#include <fmgr.h>
#include <mb/pg_wchar.h>
#include <utils/array.h>
#include <utils/guc.h>
#include <utils/memutils.h>

#include <bertq.h>

PG_MODULE_MAGIC;
PG_FUNCTION_INFO_V1(bertq_embed_text);
void _PG_init(void);

static char *model_path;
static bertq_model *model;
static char *opened_path;

void _PG_init(void) {
  DefineCustomStringVariable("bertq.model", "The .bertq file that bertq_embed answers with.", NULL, &model_path, "", PGC_USERSET, 0,
                             NULL, NULL, NULL);
}

static void complain(const bertq_error *error) {
  ereport(ERROR, (errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION), errmsg("%s", error->message)));
}

// Opens the model, or another when the setting has changed.
static void open_model(void) {
  if (!model_path || !*model_path) ereport(ERROR, (errmsg("bertq.model names no .bertq file")));
  if (GetDatabaseEncoding() != PG_UTF8) ereport(ERROR, (errmsg("bertq_embed needs a database in UTF-8")));
  if (model && strcmp(opened_path, model_path) == 0) return;
  bertq_close(model);
  model = NULL;
  bertq_error error = {.size = sizeof error};
  bertq_options options = {.size = sizeof options, .threads = 1};
  if (bertq_open(model_path, &options, &model, &error)) complain(&error);
  opened_path = MemoryContextStrdup(TopMemoryContext, model_path);
}

Datum bertq_embed_text(PG_FUNCTION_ARGS) {
  text *given = PG_GETARG_TEXT_PP(0);
  open_model();
  size_t width = bertq_dimensions(model);
  int64_t offsets[] = {0, VARSIZE_ANY_EXHDR(given)};
  bertq_input input = {.size = sizeof input, .count = 1, .offset_size = 8, .bytes = VARDATA_ANY(given), .offsets = offsets};
  // The array as PostgreSQL stores it: the vector is written into its place.
  size_t size = ARR_OVERHEAD_NONULLS(1) + width * sizeof(float);
  ArrayType *array = palloc0(size);
  SET_VARSIZE(array, size);
  array->ndim = 1;
  array->elemtype = FLOAT4OID;
  ARR_DIMS(array)[0] = (int)width;
  ARR_LBOUND(array)[0] = 1;
  bertq_error error = {.size = sizeof error};
  if (bertq_embed(model, &input, NULL, (float *)ARR_DATA_PTR(array), width, NULL, &error)) complain(&error);
  PG_RETURN_ARRAYTYPE_P(array);
}
