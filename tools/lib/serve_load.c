/* Load for a server, in one thread: requests of several streams over kept connections to 127.0.0.1.
 *
 *     serve_load PORT SECONDS WARM STREAM...
 *     STREAM: name=NAME,path=PATH,bodies=FILE,connections=N,rate=R,texts=T,check=1
 *
 * FILE has a body in each line; they are sent in turn. With a rate, requests begin at times of a Poisson process, whether or
 * not earlier ones are answered, and a latency counts from the time that was intended: a server that stalls cannot hide it
 * (Tene, coordinated omission). Without a rate each connection sends its next request when the last is answered.
 * check=1: every 200 to a body must have the same bytes as the first one. For each stream a line of JSON is written;
 * what happens in the first WARM seconds is not counted.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { most_streams = 4, most_latencies = 4 << 20 };

typedef struct {
  char name[64], path[128];
  char **requests;           /* whole, with their headers */
  size_t *lengths;
  uint64_t *hashes;          /* of the first answer; 0 for none yet */
  int count, connections, texts, check;
  double rate;
  long sent, answered, refused, late, failed, wrong, other;
  double work;                /* requests answered with 200, each by the share of its time that is measured */
  double *latencies;
  long measured;
  double next;               /* when the next request is to begin */
  long *waiting;             /* a ring of requests that found no free connection */
  double *waiting_since;
  long ring, head, tail;
  long turn;
  uint64_t random;
} Stream;

typedef struct {
  int fd, stream, busy, body, watches_out;
  double begin;
  size_t written;
  char *answer;
  size_t size, capacity, wanted; /* wanted: the whole answer's bytes; 0 until its head is there */
  size_t head;
  int status, closes;
} Connection;

static int port, epoll;
static double beginning, warm, length;
static Stream streams[most_streams];
static int stream_count;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void fail(const char *what) {
  fprintf(stderr, "serve_load: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void *need(void *pointer) {
  if (!pointer) fail("memory");
  return pointer;
}

/* splitmix64: seeded by the stream, so that two servers get the same arrivals. */
static double uniform(Stream *s) {
  uint64_t z = (s->random += 0x9E3779B97F4A7C15u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static double gap(Stream *s) { return -log(1 - uniform(s)) / s->rate; }

static uint64_t hash(const char *bytes, size_t count) {
  uint64_t h = 0xcbf29ce484222325u;
  for (size_t i = 0; i < count; i++) h = (h ^ (unsigned char)bytes[i]) * 0x100000001b3u;
  return h | 1;
}

static void open_connection(Connection *c) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  c->fd = socket(AF_INET, SOCK_STREAM, 0);
  if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address)) fail("connect");
  int one = 1;
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  fcntl(c->fd, F_SETFL, O_NONBLOCK);
  c->watches_out = 0;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event)) fail("epoll_ctl");
}

static void push(Connection *c) {
  Stream *s = &streams[c->stream];
  size_t total = s->lengths[c->body];
  while (c->written < total) {
    ssize_t n = write(c->fd, s->requests[c->body] + c->written, total - c->written);
    if (n < 0) {
      if (errno == EAGAIN) break;
      return; /* the end of the connection shows when it is read */
    }
    c->written += (size_t)n;
  }
  int watches = c->written < total;
  if (watches == c->watches_out) return;
  c->watches_out = watches;
  struct epoll_event event = {.events = EPOLLIN | (watches ? EPOLLOUT : 0), .data.ptr = c};
  epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &event);
}

static void begin(Connection *c, long body, double intended) {
  Stream *s = &streams[c->stream];
  c->busy = 1;
  c->body = (int)(body % s->count);
  c->begin = intended;
  c->written = c->size = c->wanted = 0;
  s->sent += intended - beginning >= warm;
  push(c);
}

static void next_of(Connection *c) {
  Stream *s = &streams[c->stream];
  c->busy = 0;
  if (now() - beginning >= warm + length) return;
  if (s->rate == 0) {
    begin(c, s->turn++, now());
  } else if (s->head != s->tail) {
    long place = s->head++ % s->ring;
    begin(c, s->waiting[place], s->waiting_since[place]);
  }
}

static void answered(Connection *c) {
  Stream *s = &streams[c->stream];
  double end = now();
  if (c->status == 200 && s->check) {
    uint64_t h = hash(c->answer + c->head, c->wanted - c->head);
    if (!s->hashes[c->body]) s->hashes[c->body] = h;
    if (s->hashes[c->body] != h) s->wrong++;
  }
  /* A request that takes seconds counts by the part of them that is measured; or a rate at saturation would be some whole number
     of requests. Statuses: who answers in the measured time. Latencies: who began in it. */
  double from = fmax(c->begin, beginning + warm), to = fmin(end, beginning + warm + length);
  if (c->status == 200 && to > from) s->work += (to - from) / (end - c->begin);
  if (end - beginning >= warm && end - beginning < warm + length) {
    switch (c->status) {
    case 200: s->answered++; break;
    case 429: s->refused++; break;
    case 504: s->late++; break;
    default: s->other++;
    }
  }
  if (c->status == 200 && c->begin - beginning >= warm && s->measured < most_latencies)
    s->latencies[s->measured++] = end - c->begin;
  if (c->closes) {
    close(c->fd);
    open_connection(c);
  }
  next_of(c);
}

static void read_head(Connection *c) {
  c->answer[c->size] = 0;
  char *end = memmem(c->answer, c->size, "\r\n\r\n", 4);
  if (!end) return;
  c->head = (size_t)(end - c->answer) + 4;
  c->status = atoi(c->answer + 9);
  c->closes = 0;
  long body = -1;
  for (char *line = strstr(c->answer, "\r\n"); line && line < end; line = strstr(line + 2, "\r\n")) {
    if (!strncasecmp(line + 2, "content-length:", 15)) body = atol(line + 17);
    if (!strncasecmp(line + 2, "connection: close", 17)) c->closes = 1;
  }
  if (body < 0) {
    fprintf(stderr, "serve_load: an answer without content-length\n");
    exit(1);
  }
  c->wanted = c->head + (size_t)body;
}

static void pull(Connection *c) {
  for (;;) {
    if (c->size + 65536 + 1 > c->capacity) {
      c->capacity = 2 * c->capacity + 131072;
      c->answer = need(realloc(c->answer, c->capacity));
    }
    ssize_t n = read(c->fd, c->answer + c->size, c->capacity - c->size - 1);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
      if (c->busy) streams[c->stream].failed++;
      close(c->fd);
      open_connection(c);
      next_of(c);
      return;
    }
    c->size += (size_t)n;
    if (!c->wanted) read_head(c);
    if (c->wanted && c->size >= c->wanted) {
      answered(c);
      return;
    }
  }
}

static void read_bodies(Stream *s, const char *path) {
  FILE *file = fopen(path, "r");
  if (!file) fail(path);
  char *line = NULL;
  size_t capacity = 0;
  ssize_t n;
  while ((n = getline(&line, &capacity, file)) > 0) {
    if (line[n - 1] == '\n') n--;
    s->requests = need(realloc(s->requests, sizeof(char *) * (size_t)(s->count + 1)));
    s->lengths = need(realloc(s->lengths, sizeof(size_t) * (size_t)(s->count + 1)));
    char *request = need(malloc((size_t)n + 512));
    int head = snprintf(request, 512, "POST %s HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
      "content-length: %zd\r\n\r\n", s->path, n);
    memcpy(request + head, line, (size_t)n);
    s->requests[s->count] = request;
    s->lengths[s->count++] = (size_t)head + (size_t)n;
  }
  free(line);
  fclose(file);
  if (!s->count) fail("no bodies");
  s->hashes = need(calloc((size_t)s->count, sizeof *s->hashes));
}

static void read_stream(char *text) {
  if (stream_count == most_streams) fail("too many streams");
  Stream *s = &streams[stream_count++];
  *s = (Stream){.connections = 1, .texts = 1, .random = (uint64_t)stream_count};
  const char *bodies = NULL;
  for (char *part = strtok(text, ","); part; part = strtok(NULL, ",")) {
    char *value = strchr(part, '=');
    if (!value) fail(part);
    *value++ = 0;
    if (!strcmp(part, "name")) snprintf(s->name, sizeof s->name, "%s", value);
    else if (!strcmp(part, "path")) snprintf(s->path, sizeof s->path, "%s", value);
    else if (!strcmp(part, "bodies")) bodies = value;
    else if (!strcmp(part, "connections")) s->connections = atoi(value);
    else if (!strcmp(part, "texts")) s->texts = atoi(value);
    else if (!strcmp(part, "check")) s->check = atoi(value);
    else if (!strcmp(part, "rate")) s->rate = atof(value);
    else fail(part);
  }
  if (!bodies) fail("a stream without bodies");
  read_bodies(s, bodies);
  s->latencies = need(malloc(sizeof(double) * most_latencies));
  s->ring = 1 << 20;
  s->waiting = need(malloc(sizeof(long) * (size_t)s->ring));
  s->waiting_since = need(malloc(sizeof(double) * (size_t)s->ring));
}

static int order(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double quantile(Stream *s, double q) {
  if (!s->measured) return 0;
  long place = (long)ceil(q * (double)s->measured) - 1;
  return 1000 * s->latencies[place < 0 ? 0 : place];
}

static void report(Stream *s) {
  qsort(s->latencies, (size_t)s->measured, sizeof(double), order);
  printf("{\"stream\":\"%s\",\"seconds\":%.3f,\"sent\":%ld,\"answered\":%ld,\"refused\":%ld,\"late\":%ld,\"failed\":%ld,"
    "\"other\":%ld,\"wrong\":%ld,\"unsent\":%ld,\"texts_per_s\":%.2f,\"p50_ms\":%.4f,\"p90_ms\":%.4f,\"p99_ms\":%.4f,\"max_ms\":%.4f,"
    "\"measured\":%ld}\n", s->name, length, s->sent, s->answered, s->refused, s->late, s->failed, s->other, s->wrong,
    s->tail - s->head, s->work * s->texts / length, quantile(s, 0.5), quantile(s, 0.9), quantile(s, 0.99),
    quantile(s, 1), s->measured);
}

int main(int count, char **arguments) {
  if (count < 5) {
    fprintf(stderr, "usage: serve_load PORT SECONDS WARM STREAM...\n");
    return 64;
  }
  port = atoi(arguments[1]);
  length = atof(arguments[2]);
  warm = atof(arguments[3]);
  for (int i = 4; i < count; i++) read_stream(arguments[i]);
  epoll = epoll_create1(0);
  int total = 0;
  for (int i = 0; i < stream_count; i++) total += streams[i].connections;
  Connection *all = need(calloc((size_t)total, sizeof *all));
  Connection *c = all;
  for (int i = 0; i < stream_count; i++)
    for (int k = 0; k < streams[i].connections; k++, c++) {
      c->stream = i;
      open_connection(c);
    }
  beginning = now();
  for (int i = 0; i < stream_count; i++) streams[i].next = beginning;
  for (c = all; c < all + total; c++)
    if (streams[c->stream].rate == 0) begin(c, streams[c->stream].turn++, now());
  struct epoll_event events[256];
  /* Behind the end a while for what is under way. */
  for (double t = now(); t - beginning < warm + length + 10; t = now()) {
    int isOver = t - beginning >= warm + length, busy = 0;
    double soonest = t + 0.002;
    Connection *first = all;
    for (int i = 0; i < stream_count; i++) {
      Stream *s = &streams[i];
      while (s->rate > 0 && !isOver && s->next <= t) {
        Connection *free = NULL;
        for (Connection *k = first; k < first + s->connections && !free; k++)
          if (!k->busy) free = k;
        if (free && s->head == s->tail) {
          begin(free, s->turn++, s->next);
        } else if (s->tail - s->head < s->ring) {
          long place = s->tail++ % s->ring;
          s->waiting[place] = s->turn++;
          s->waiting_since[place] = s->next;
        }
        s->next += gap(s);
      }
      if (s->rate > 0 && s->next < soonest) soonest = s->next;
      first += s->connections;
    }
    if (isOver) {
      for (c = all; c < all + total; c++) busy += c->busy;
      if (!busy) break;
    }
    int wait = soonest - now() > 0.0015 ? 1 : 0;
    int n = epoll_wait(epoll, events, 256, wait);
    for (int i = 0; i < n; i++) {
      Connection *ready = events[i].data.ptr;
      if (events[i].events & EPOLLOUT) push(ready);
      if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) pull(ready);
    }
  }
  for (int i = 0; i < stream_count; i++) report(&streams[i]);
  return 0;
}
