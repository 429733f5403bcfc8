/* bertq: BERT-like encoders on CPUs, the same bits in any batch, thread count and process.
 *
 * Link with -lbertq. All functions may be called from any thread, at any time, also in a process that was forked while a
 * model was open. Loading the library starts no thread and installs no signal handler.
 *
 *     bertq_model *model;
 *     bertq_error error = {.size = sizeof error};
 *     if (bertq_open("model.bertq", NULL, &model, &error)) { fprintf(stderr, "%s\n", error.message); return 1; }
 *     int32_t offsets[] = {0, 6, 13};
 *     bertq_input input = {.size = sizeof input, .count = 2, .bytes = "a textanother", .offsets = offsets, .offset_size = 4};
 *     float *vectors = malloc(2 * bertq_dimensions(model) * sizeof *vectors);
 *     int32_t code = bertq_embed(model, &input, NULL, vectors, 2 * bertq_dimensions(model), NULL, &error);
 *
 * Every struct begins with its size, sizeof of it as the caller knows it; what is not set is zero, and zero is the default. A
 * library that is older than the caller refuses what it does not know.
 *
 * A function that can fail gives one of the codes below, 0 for success. Text is UTF-8, paths too: other bytes are refused. Strings
 * given to the library end with a zero byte and are read before the call returns. What says yes or no is 1 or 0.
 */
#ifndef BERTQ_H
#define BERTQ_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised when something that was here changes. Additions leave it. */
#define BERTQ_ABI 1

enum {
  BERTQ_DONE = 0,
  BERTQ_DRIFT_GATE = 3,    /* a conversion cannot keep to its drift limit, or a drift gate failed */
  BERTQ_USAGE = 64,        /* an argument makes no sense */
  BERTQ_MALFORMED = 65,    /* a file is damaged; a text is too long, or no UTF-8; a result is not finite */
  BERTQ_NOT_FOUND = 66,    /* no such file, or it cannot be read */
  BERTQ_UNSUPPORTED = 69,  /* well formed, but not done here */
  BERTQ_SYSTEM = 71,       /* the system refused memory or threads */
  BERTQ_CANNOT_WRITE = 73, /* an output cannot be written */
  BERTQ_LATER = 75         /* cancelled, too late, or too much waits: `kind` says which */
};

/* What went wrong. May be NULL wherever it is taken. */
typedef struct bertq_error {
  size_t size;
  int64_t text;       /* the text concerned, counted from 0; -1 where it is none: the call as a whole failed */
  char kind[32];      /* "usage", "malformed", "not-found", "unsupported", "cancelled", "deadline", "overloaded" ... */
  char remedy[32];    /* what would help, by name: "truncate", "name-configuration" ...; empty where there is none */
  char message[1968]; /* what was found, what was expected, what to do */
} bertq_error;

typedef struct bertq_model bertq_model;
/* A text that the library made, most often JSON. */
typedef struct bertq_text bertq_text;
typedef struct bertq_cancellation bertq_cancellation;

/* The BERTQ_ABI of the library, and its version. */
int32_t bertq_abi(void);
const char *bertq_version(void);

/* ---- Models ---- */

typedef struct bertq_options {
  size_t size;
  const char *precision; /* "int8" or "float"; NULL: int8 where the file has it */
  const char *kernels;   /* a kernel set by name; NULL: the best that this CPU runs */
  int32_t threads;       /* 1 to 256; 0: this process's share of the cores */
  int32_t reserved;
  uint64_t token_budget; /* the most tokens computed at once, which bounds memory; 0: as many as suit the model */
  uint64_t cache_bytes;  /* bytes of answers kept for texts that come again */
} bertq_options;

/* Opens a file and verifies its weights. The memory that holds them is shared by all processes that open the file. */
int32_t bertq_open(const char *path, const bertq_options *options, bertq_model **model, bertq_error *error);
/* Ends a model that no call is using; NULL is let be. */
void bertq_close(bertq_model *model);
/* What the model is, as a JSON object. */
int32_t bertq_describe(const bertq_model *model, bertq_text **json, bertq_error *error);
/* Numbers of an embedding; numbers of a token's vector; the most tokens of a text, the special ones included. */
size_t bertq_dimensions(const bertq_model *model);
size_t bertq_hidden_size(const bertq_model *model);
size_t bertq_token_limit(const bertq_model *model);

/* ---- Texts ---- */

/* Texts as Apache Arrow has them: end to end, and where each begins and the last ends. */
typedef struct bertq_input {
  size_t size;
  size_t count;
  int32_t offset_size;      /* bytes of an offset: 4 or 8 */
  int32_t reserved;
  const void *bytes;        /* the texts */
  const void *offsets;      /* count + 1, signed */
  const void *pair_bytes;   /* second texts of pairs; NULL: none */
  const void *pair_offsets; /* count + 1 */
  const int32_t *ids;       /* token ids, the special ones included, instead of texts */
  const void *id_offsets;   /* count + 1, in ids */
  const uint8_t *types;     /* the token type of each id; NULL: all 0 */
} bertq_input;

/* How a call is answered. */
typedef struct bertq_request {
  size_t size;
  int32_t truncates;                 /* 1: what is too long is cut; 0: it is an error */
  int32_t priority;                  /* 0: interactive when it is little work; 1: interactive; 2: bulk */
  double seconds;                    /* after so many the answer is of no use; 0: never */
  bertq_cancellation *cancellation;  /* ends the call from another thread; NULL: none */
  const char *prompt;                /* words before each text; NULL: the file's default prompt, where the answer has one */
  const char *prompt_name;           /* one of the file's prompts instead, by its name */
  uint64_t tokens;                   /* out: tokens of all texts, after cutting */
  uint64_t cut_texts;                /* out: texts that were cut */
} bertq_request;

/* A row of `out` for each text: bertq_dimensions numbers, as the model's publisher pools and scales them.
 *
 * `room` is how many floats `out` has. `failures` NULL: the first text that cannot be answered is the error of the call. Else
 * every such text has a row of NaN, and a line in a text of JSON Lines, {"index":3,"error":{"code":...,"message":...}} and perhaps
 * a "remedy"; the call succeeds, and `*failures` is NULL where there are none. A call that is cancelled, or whose time is over,
 * fails all the same. */
int32_t bertq_embed(const bertq_model *model, const bertq_input *input, bertq_request *request, float *out, size_t room,
                    bertq_text **failures, bertq_error *error);
/* The same with the pooler's outputs: rows of bertq_hidden_size numbers. */
int32_t bertq_pooled(const bertq_model *model, const bertq_input *input, bertq_request *request, float *out, size_t room,
                     bertq_text **failures, bertq_error *error);
/* A row of bertq_hidden_size numbers for each token of each text; as many as bertq_tokenize gives. */
int32_t bertq_tokens(const bertq_model *model, const bertq_input *input, bertq_request *request, float *out, size_t room,
                     bertq_error *error);
/* How many tokens each text has, the special ones included and nothing cut. */
int32_t bertq_count(const bertq_model *model, const bertq_input *input, int64_t *counts, bertq_error *error);
/* Token ids and types of all texts, end to end, and count + 1 offsets. `ids` and `types` may be NULL, to learn how many there are. */
int32_t bertq_tokenize(const bertq_model *model, const bertq_input *input, int32_t truncates, int64_t *offsets, int32_t *ids,
                       uint8_t *types, size_t room, bertq_error *error);
/* The text that token ids stand for; an id of no token is refused. */
int32_t bertq_decode(const bertq_model *model, const int32_t *ids, size_t count, int32_t skips_specials, bertq_text **text,
                     bertq_error *error);

/* ---- Answers of heads ---- */

/* What the head of a task answers for each text: a text of JSON Lines, {"index":0,...} with the members that bert-run writes, or
 * {"index":0,"error":{"code":...,"message":...}}, perhaps with a "remedy", for a text that cannot be answered; in the texts' order.
 *
 * Tasks are "classify", "tag", "answer" (the text is the question, its pair the context), "fill-mask", "next-sentence" (pairs),
 * "choose", "sparse", "zero-shot", and "rerank" (pairs of a query and a document: {"index":0,"score":...,"logit":...}; the documents
 * of a query are ranked by "score").
 * `settings` is a JSON object, or NULL for the defaults: "aggregate" of tag; "top", "longest", "stride", "window", "no_answer" of
 * answer; "top", "targets" of fill-mask; "labels", "hypothesis", "multi" of zero-shot; "choices" of choose. Others are refused. */
int32_t bertq_answer(const bertq_model *model, const char *task, const bertq_input *input, bertq_request *request,
                     const char *settings, bertq_text **answers, bertq_error *error);
/* A short vector for each token of each text, as ColBERT compares texts: `values` is float32, `width` numbers a row; a text's rows
 * begin at offsets[text] and end before offsets[text + 1], count + 1 offsets. `is_query`: what the texts are. */
int32_t bertq_multi_vectors(const bertq_model *model, const bertq_input *input, int32_t is_query, bertq_request *request,
                            int64_t *offsets, size_t *width, bertq_text **values, bertq_error *error);

/* ---- Conversion and drift ---- */

/* A published checkpoint and what becomes of it; as bert-convert's options of the same names. */
typedef struct bertq_conversion {
  size_t size;
  const char *input;         /* a file, a shard index or a folder; or a .bertq file with float32 weights */
  const char *output;        /* the .bertq file to write */
  const char *configuration; /* where it does not lie beside the checkpoint */
  const char *vocabulary;    /* the same */
  const char *weights;       /* "both" (default), "int8", "float" */
  const char *embeddings;    /* "f32" (default), "f16", "int8" */
  const char *calibration;   /* a file of texts, one a line; NULL: built-in ones */
  const char *recipe;        /* parts of the quantiser to leave out */
  const char *report;        /* where to write what was imported, as JSON */
  double least_cosine;       /* drift limits; 0: none */
  double least_sqnr;
  int32_t threads;
  int32_t no_calibration;    /* 1: rounded looking at no text */
  int32_t ids_only;          /* 1: without the tokenizer */
  int32_t heads;             /* attention heads, where no configuration says it; 0: it does */
} bertq_conversion;

/* Told of each step on the calling thread, as a JSON object: {"stage":...,"done":...,"of":...} or {"note":...}. */
typedef void (*bertq_watch)(void *context, const char *json);

/* Converts; what was made is a JSON object. Nothing is left of an unfinished file. */
int32_t bertq_convert(const bertq_conversion *conversion, bertq_watch watch, void *context, bertq_text **json, bertq_error *error);
/* How far int8 is from float32 on some texts, as JSON; `attributes` 1: also which linear layers cause it. `require` lists
 * thresholds, "cosine=0.999,sqnr=30", or is NULL; the report is given also when they are not met, with BERTQ_DRIFT_GATE. */
int32_t bertq_drift(const bertq_model *model, const bertq_input *input, int32_t truncates, int32_t attributes,
                    const char *require, bertq_text **json, bertq_error *error);

/* ---- Texts that the library made; cancelling ---- */

const char *bertq_text_bytes(const bertq_text *text); /* ends with a zero byte */
size_t bertq_text_size(const bertq_text *text);       /* without it */
void bertq_text_free(bertq_text *text);

bertq_cancellation *bertq_cancellation_new(void);
/* Ends all calls that have it, now and later: they give BERTQ_LATER with kind "cancelled". */
void bertq_cancellation_cancel(bertq_cancellation *cancellation);
void bertq_cancellation_free(bertq_cancellation *cancellation);

#ifdef __cplusplus
}
#endif
#endif
