/* A load generator for WebSocket servers: many connections, one thread, epoll.
 *
 * Started by generator.py, which knows what the servers speak and gives it as templates. Reads one command
 * per line on stdin and answers each with one JSON object on stdout:
 *
 *   header LINE               send this header in every handshake
 *   step EXPECT TAB SEND      opening: wait for a text with EXPECT in it (empty: for nothing), then SEND
 *   answer TEXT TAB REPLY     a message that is exactly TEXT gets REPLY: a protocol's own ping
 *   message echo TEXT         what a client sends to be echoed; it holds #E0000000#
 *   message broadcast TEXT    what a client sends to have it broadcast; it holds #B0000000#
 *   layout STREAMS VARIANTS   connection i is in stream i % STREAMS, and says one of VARIANTS identifiers
 *   rcvbuf BYTES              receive buffer of the connections made from now on; 0 is the system's
 *   patience SECONDS          how long a broadcast may take to reach everybody
 *   connect N CONCURRENCY     open connections until N are ready
 *   broadcast SECS MIN MAX    one client of each stream publishes, everybody hears it, then the next round
 *   echo CLIENTS SECS         closed loop: each client waits for its echo before it sends again
 *   stall N                   the last N connections stop reading for good
 *   stalled                   read what is left for those; has the server ended them?
 *   idle SECS                 only answer pings
 *
 * In a template the digits of #B0000000# and #E0000000# become a counter, those of @S000000 the stream's
 * number and those of @V000000 the identifier's. Frames are masked with a fixed key. Compressed frames are
 * counted but never inflated: a beat is too short to be compressed, so once a connection is ready every one
 * of them is a delivery. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNECTIONS 100000
#define MAX_STEPS 4
#define BUFFER (1 << 20)
#define AT_ONCE 100              /* streams that are published to in one round */
#define PER_ADDRESS 20000        /* connections from one source address: it has some 28,000 ports */
#define GIVE_UP 200              /* failed connections */

typedef enum { CONNECTING, HANDSHAKE, OPENING, READY, STALLED, DEAD } State;

typedef struct {
  char *text;
  size_t length;
  long tag, stream, variant; /* where the digits are; -1: nowhere */
} Template;

typedef struct {
  char *expect;
  Template send;
} Step;

typedef struct {
  int fd;
  State state;
  int step;
  bool echoing;
  uint32_t heard, asked; /* the last broadcast's number, the last echo's */
  double since;          /* when it was opened, or sent its last echo */
  uint8_t *rest;         /* the beginning of a frame whose end has not come */
  uint32_t rest_length, rest_room;
} Connection;

typedef struct {
  double *values;
  size_t count, room;
} Samples;

/* The server and what it speaks. */
static struct sockaddr_in address;
static char request[8192], headers[4096];
static const char *host, *path;
static Step steps[MAX_STEPS];
static int step_count, streams = 1, variants = 1, receive_buffer;
static Template echo_message, broadcast_message, reply;
static const char *question = "";
static double patience = 30;

/* The connections. */
static Connection *connections;
static int opened, ready_count, dead_count, failed_count, pending, epoll;
static int *members;      /* stream -> ready connections */
static double *published; /* stream -> when its last broadcast was sent */

/* The measurement. */
static Samples each, whole;
static uint32_t round_number;
static int heard_count;
static long broadcasts, deliveries, echoes, pings, strays;
static unsigned long long received;
static bool echo_running;
static uint8_t buffer[BUFFER], frame[BUFFER];

/* Time and samples. */

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static double cpu(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static void add(Samples *samples, double value) {
  if (samples->count == samples->room) {
    samples->room = samples->room ? samples->room * 2 : 65536;
    samples->values = realloc(samples->values, samples->room * sizeof(double));
    if (!samples->values) abort();
  }
  samples->values[samples->count++] = value;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* A sorted sample in milliseconds; -1 without any. */
static double percentile(const Samples *samples, double share) {
  if (!samples->count) return -1;
  return samples->values[(size_t)(share * (samples->count - 1) + 0.5)] * 1e3;
}

static void print_samples(const char *name, Samples *samples) {
  qsort(samples->values, samples->count, sizeof(double), ascending);
  printf(",\"%s_p50_ms\":%.4f,\"%s_p99_ms\":%.4f,\"%s_max_ms\":%.4f", name, percentile(samples, .5), name,
         percentile(samples, .99), name, percentile(samples, 1));
}

/* Templates. */

static long digits_after(const char *text, const char *mark) {
  const char *found = strstr(text, mark);
  return found ? found + strlen(mark) - text : -1;
}

static Template template(const char *text) {
  Template made = {.text = strdup(text), .length = strlen(text)};
  made.tag = digits_after(text, "#B") >= 0 ? digits_after(text, "#B") : digits_after(text, "#E");
  made.stream = digits_after(text, "@S");
  made.variant = digits_after(text, "@V");
  return made;
}

static void put_digits(uint8_t *at, int width, uint32_t number) {
  for (at += width; width--; number /= 10) *--at = '0' + number % 10;
}

/* Connections. */

static int index_of(const Connection *c) { return c - connections; }
static int stream_of(const Connection *c) { return index_of(c) % streams; }

static void bury(Connection *c) {
  if (c->state == DEAD) return;
  if (c->state == READY) {
    ready_count--;
    members[stream_of(c)]--;
    dead_count++;
  } else if (c->state != STALLED) {
    pending--;
    failed_count++;
  }
  c->state = DEAD;
  if (c->fd >= 0) close(c->fd);
  free(c->rest);
  c->rest = NULL;
  c->fd = -1;
}

/* Send all of it. Only a publisher's large message ever has to wait. */
static void send_bytes(Connection *c, const void *data, size_t size) {
  const uint8_t *at = data;
  while (size && c->state != DEAD) {
    ssize_t sent = send(c->fd, at, size, MSG_NOSIGNAL);
    if (sent > 0) {
      at += sent;
      size -= sent;
    } else {
      struct pollfd writable = {.fd = c->fd, .events = POLLOUT};
      if (errno != EAGAIN || poll(&writable, 1, 5000) != 1) bury(c);
    }
  }
}

/* Begin a masked frame; returns the length of its header. */
static size_t put_header(int opcode, size_t size, const uint8_t key[4]) {
  size_t length = 2;
  frame[0] = 0x80 | opcode;
  if (size < 126) {
    frame[1] = 0x80 | size;
  } else {
    int bytes = size < 65536 ? 2 : 8;
    frame[1] = 0x80 | (size < 65536 ? 126 : 127);
    for (int i = bytes; i--; size >>= 8) frame[2 + i] = size & 255;
    length += bytes;
  }
  memcpy(frame + length, key, 4);
  return length + 4;
}

/* Send a frame whose payload is a template with this connection's digits in it. */
static void send_frame(Connection *c, int opcode, const Template *what, uint32_t number) {
  static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};
  size_t header = put_header(opcode, what->length, key);
  uint8_t *payload = frame + header;
  memcpy(payload, what->text, what->length);
  if (what->tag >= 0) put_digits(payload + what->tag, 7, number);
  if (what->stream >= 0) put_digits(payload + what->stream, 6, stream_of(c));
  if (what->variant >= 0) put_digits(payload + what->variant, 6, index_of(c) / streams % variants);
  for (size_t i = 0; i < what->length; i++) payload[i] ^= key[i & 3];
  send_bytes(c, frame, header + what->length);
}

static void ready(Connection *c) {
  c->state = READY;
  pending--;
  ready_count++;
  members[stream_of(c)]++;
  add(&each, now() - c->since);
}

/* Take the opening's next step if the text is what it waits for; NULL is the handshake's end. */
static void open_further(Connection *c, const char *text, size_t length, bool deflated) {
  while (c->state == OPENING) {
    Step *step = &steps[c->step];
    size_t expected = strlen(step->expect);
    if (expected && !(text && (deflated || memmem(text, length, step->expect, expected)))) return;
    if (expected) text = NULL;
    if (step->send.length) send_frame(c, 1, &step->send, 0);
    if (++c->step == step_count && c->state == OPENING) ready(c);
  }
}

/* Messages. */

static void next_echo(Connection *c) {
  c->since = now();
  send_frame(c, 1, &echo_message, ++c->asked);
}

static void heard_echo(Connection *c, uint32_t number) {
  if (!c->echoing || number != c->asked) {
    strays++;
    return;
  }
  echoes++;
  add(&each, now() - c->since);
  if (echo_running) next_echo(c);
  else c->echoing = false;
}

static void heard_broadcast(Connection *c, uint32_t number) {
  if (number != round_number || c->heard == number) {
    strays++;
    return;
  }
  c->heard = number;
  heard_count++;
  deliveries++;
  add(&each, now() - published[stream_of(c)]);
}

static void heard_text(Connection *c, const char *text, size_t length) {
  const char *tag;
  if ((tag = memmem(text, length, "#B", 2))) heard_broadcast(c, strtoul(tag + 2, NULL, 10));
  else if ((tag = memmem(text, length, "#E", 2))) heard_echo(c, strtoul(tag + 2, NULL, 10));
  else if (length && length == strlen(question) && !memcmp(text, question, length)) {
    pings++;
    send_frame(c, 1, &reply, 0);
  }
}

static void heard_frame(Connection *c, uint8_t first, char *payload, size_t length) {
  int opcode = first & 15;
  bool deflated = first & 0x40;
  if (opcode == 8) {
    bury(c);
  } else if (opcode == 9) {
    Template pong = {.text = payload, .length = length, .tag = -1, .stream = -1, .variant = -1};
    pings++;
    send_frame(c, 10, &pong, 0);
  } else if (opcode == 1 || opcode == 2) {
    if (c->state == OPENING) open_further(c, payload, length, deflated);
    else if (deflated) heard_broadcast(c, round_number);
    else heard_text(c, payload, length);
  }
}

/* Bytes. */

/* Returns where the frames begin; NULL while the response is not complete. */
static uint8_t *read_response(Connection *c, uint8_t *from, uint8_t *end) {
  uint8_t *blank = memmem(from, end - from, "\r\n\r\n", 4);
  if (!blank) return NULL;
  if (!memmem(from, 16, " 101", 4)) {
    if (!failed_count) fprintf(stderr, "refused: %.*s\n", (int)(blank - from), (char *)from);
    bury(c);
    return NULL;
  }
  c->state = OPENING;
  open_further(c, NULL, 0, false);
  return blank + 4;
}

/* Returns where the first incomplete frame begins. */
static uint8_t *read_frames(Connection *c, uint8_t *at, uint8_t *end) {
  while (end - at >= 2 && c->state != DEAD) {
    uint64_t length = at[1] & 127;
    int extra = length == 126 ? 2 : length == 127 ? 8 : 0;
    if (end - at < 2 + extra) break;
    if (extra) length = 0;
    for (int i = 0; i < extra; i++) length = length << 8 | at[2 + i];
    if ((uint64_t)(end - at - 2 - extra) < length) break;
    heard_frame(c, at[0], (char *)at + 2 + extra, length);
    at += 2 + extra + length;
  }
  return at;
}

static void keep_rest(Connection *c, const uint8_t *at, const uint8_t *end) {
  uint32_t length = end - at;
  if (length > c->rest_room) {
    c->rest_room = length + 512;
    c->rest = realloc(c->rest, c->rest_room);
    if (!c->rest) abort();
  }
  memcpy(c->rest, at, length);
  c->rest_length = length;
}

static void on_readable(Connection *c) {
  uint32_t kept = c->rest_length;
  ssize_t got = recv(c->fd, buffer + kept, sizeof buffer - kept, 0);
  if (got <= 0) {
    if (got == 0 || (errno != EAGAIN && errno != EINTR)) bury(c);
    return;
  }
  received += got;
  if (kept) memcpy(buffer, c->rest, kept);
  c->rest_length = 0;
  uint8_t *at = buffer, *end = buffer + kept + got;
  if (c->state == HANDSHAKE) {
    uint8_t *frames = read_response(c, at, end);
    if (frames) at = frames;
  }
  if (c->state != HANDSHAKE) at = read_frames(c, at, end);
  if (c->state != DEAD && at < end) keep_rest(c, at, end);
}

static void on_connected(Connection *c) {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error) {
    if (!failed_count) fprintf(stderr, "connect: %s\n", strerror(error));
    bury(c);
    return;
  }
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &event);
  c->state = HANDSHAKE;
  send_bytes(c, request, strlen(request));
}

/* Handle what has happened; true when there is a command to read. */
static bool turn(int milliseconds) {
  struct epoll_event events[1024];
  int count = epoll_wait(epoll, events, 1024, milliseconds);
  bool command = false;
  for (int i = 0; i < count; i++) {
    Connection *c = events[i].data.ptr;
    if (!c) command = true;
    else if (c->state == CONNECTING) on_connected(c);
    else if (c->state != DEAD) on_readable(c);
  }
  return command;
}

/* Commands. */

static void write_request(void) {
  int port = ntohs(address.sin_port);
  snprintf(request, sizeof request,
           "GET %s HTTP/1.1\r\nHost: %s:%d\r\nOrigin: http://%s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s\r\n",
           path, host, port, host, port, headers);
}

/* Past what one source address has ports for, take the next. */
static void bind_source(int fd, int index) {
  if (index < PER_ADDRESS) return;
  int yes = 1;
  struct sockaddr_in source = {.sin_family = AF_INET};
  source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + index / PER_ADDRESS);
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
  if (bind(fd, (void *)&source, sizeof source)) perror("bind");
}

static void open_connection(void) {
  Connection *c = &connections[opened++];
  int yes = 1;
  *c = (Connection){.state = CONNECTING, .since = now()};
  pending++;
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  if (receive_buffer) setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  bind_source(c->fd, index_of(c));
  if (c->fd < 0 || (connect(c->fd, (void *)&address, sizeof address) && errno != EINPROGRESS)) {
    perror("connect");
    bury(c);
    return;
  }
  struct epoll_event event = {.events = EPOLLOUT | EPOLLIN, .data.ptr = c};
  epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event);
}

static void do_connect(int wanted, int concurrency) {
  int before = ready_count, failed = failed_count, last = ready_count;
  double begin = now(), spent = cpu(), progress = begin;
  each.count = 0;
  write_request();
  while (ready_count < wanted && failed_count - failed < GIVE_UP && now() - progress < patience) {
    while (pending < concurrency && ready_count + pending < wanted && opened < MAX_CONNECTIONS) open_connection();
    turn(100);
    if (ready_count != last) progress = now();
    last = ready_count;
  }
  double wall = now() - begin;
  printf("{\"ready\":%d,\"made\":%d,\"failed\":%d,\"wall\":%.4f,\"generator_cpu\":%.4f", ready_count,
         ready_count - before, failed_count - failed, wall, cpu() - spent);
  print_samples("each", &each);
  puts("}");
}

static Connection *publisher(int stream) {
  for (int i = stream; i < opened; i += streams)
    if (connections[i].state == READY) return &connections[i];
  return NULL;
}

/* Publish to the next streams; returns how many deliveries that makes. */
static int publish(int *stream) {
  int count = streams < AT_ONCE ? streams : AT_ONCE, expected = 0;
  round_number++;
  heard_count = 0;
  for (int i = 0; i < count; i++, *stream = (*stream + 1) % streams) {
    Connection *c = publisher(*stream);
    if (!c) continue;
    expected += members[*stream];
    published[*stream] = now();
    broadcasts++;
    send_frame(c, 1, &broadcast_message, round_number);
  }
  return expected;
}

static void do_broadcast(double seconds, int least, int most) {
  static int stream;
  double begin = now(), spent = cpu();
  unsigned long long bytes = received;
  int rounds = 0, missing = 0, dead = dead_count;
  each.count = whole.count = broadcasts = deliveries = strays = 0;
  while (rounds < most && !missing) {
    double elapsed = now() - begin;
    if ((rounds >= least && elapsed >= seconds) || (rounds && elapsed > 4 * seconds)) break;
    double start = now();
    int expected = publish(&stream);
    while (heard_count < expected && now() - start < patience) turn(100);
    missing = expected - heard_count;
    add(&whole, now() - start);
    rounds++;
  }
  double wall = now() - begin;
  printf("{\"ready\":%d,\"broadcasts\":%ld,\"deliveries\":%ld,\"missing\":%d,\"dead\":%d,\"strays\":%ld,"
         "\"bytes\":%llu,\"wall\":%.4f,\"generator_cpu\":%.4f",
         ready_count, broadcasts, deliveries, missing, dead_count - dead, strays, received - bytes, wall, cpu() - spent);
  print_samples("each", &each);
  print_samples("whole", &whole);
  puts("}");
}

static int start_echoes(int clients) {
  int started = 0;
  for (int i = 0; i < opened && started < clients; i++) {
    if (connections[i].state != READY) continue;
    connections[i].echoing = true;
    next_echo(&connections[i]);
    started++;
  }
  return started;
}

static bool any_echoing(void) {
  for (int i = 0; i < opened; i++)
    if (connections[i].state == READY && connections[i].echoing) return true;
  return false;
}

static void do_echo(int clients, double seconds) {
  int dead = dead_count;
  each.count = echoes = strays = 0;
  echo_running = true;
  double begin = now(), spent = cpu();
  int started = start_echoes(clients);
  while (now() - begin < seconds) turn(100);
  echo_running = false;
  double wall = now() - begin;
  long in_time = echoes;
  while (any_echoing() && now() - begin < seconds + patience) turn(50);
  printf("{\"clients\":%d,\"in_time\":%ld,\"echoes\":%ld,\"dead\":%d,\"strays\":%ld,\"wall\":%.4f,"
         "\"generator_cpu\":%.4f",
         started, in_time, echoes, dead_count - dead, strays, wall, cpu() - spent);
  print_samples("each", &each);
  puts("}");
}

static void do_stall(int count) {
  int stalled = 0;
  for (int i = opened; i-- && stalled < count;) {
    Connection *c = &connections[i];
    if (c->state != READY) continue;
    epoll_ctl(epoll, EPOLL_CTL_DEL, c->fd, NULL);
    c->state = STALLED;
    ready_count--;
    members[stream_of(c)]--;
    stalled++;
  }
  printf("{\"stalled\":%d}\n", stalled);
}

/* Read until there is nothing more; true when the server has ended the connection, or says that it will. */
static bool read_out(Connection *c, unsigned long long *bytes) {
  static const char reason[] = "too_slow";
  struct pollfd readable = {.fd = c->fd, .events = POLLIN};
  size_t kept = 0; /* the end of what came before: the reason may come in two pieces */
  while (poll(&readable, 1, 1000) == 1) {
    ssize_t got = recv(c->fd, buffer + kept, sizeof buffer - kept, 0);
    if (got <= 0) return got == 0 || errno != EAGAIN;
    *bytes += got;
    if (memmem(buffer, kept + got, reason, sizeof reason - 1)) return true;
    size_t all = kept + got;
    kept = all < sizeof reason ? all : sizeof reason;
    memmove(buffer, buffer + all - kept, kept);
  }
  return false;
}

static void do_stalled(void) {
  unsigned long long bytes = 0;
  int ended = 0;
  for (int i = 0; i < opened; i++)
    if (connections[i].state == STALLED) ended += read_out(&connections[i], &bytes);
  printf("{\"ended\":%d,\"bytes\":%llu}\n", ended, bytes);
}

static void do_idle(double seconds) {
  for (double begin = now(); now() - begin < seconds;) turn(20);
  printf("{\"ready\":%d,\"dead\":%d,\"pings\":%ld}\n", ready_count, dead_count, pings);
}

/* What prepares a run; true when the line was one of these. */
static bool prepare(const char *name, char *rest) {
  char *second = strchr(rest, '\t');
  if (second) *second++ = 0;
  if (!strcmp(name, "header")) {
    size_t used = strlen(headers);
    snprintf(headers + used, sizeof headers - used, "%s\r\n", rest);
  } else if (!strcmp(name, "step") && second && step_count < MAX_STEPS) {
    steps[step_count++] = (Step){strdup(rest), template(second)};
  } else if (!strcmp(name, "answer") && second) {
    question = strdup(rest);
    reply = template(second);
  } else if (!strcmp(name, "message") && !strncmp(rest, "echo ", 5)) {
    echo_message = template(rest + 5);
  } else if (!strcmp(name, "message") && !strncmp(rest, "broadcast ", 10)) {
    broadcast_message = template(rest + 10);
  } else if (!strcmp(name, "rcvbuf")) {
    receive_buffer = atoi(rest);
  } else if (!strcmp(name, "patience")) {
    patience = atof(rest);
  } else {
    return !strcmp(name, "layout") && sscanf(rest, "%d %d", &streams, &variants) == 2;
  }
  return true;
}

static bool measure(const char *line) {
  int first = 0, second = 0;
  double seconds = 0;
  if (sscanf(line, "connect %d %d", &first, &second) == 2) do_connect(first, second);
  else if (sscanf(line, "broadcast %lf %d %d", &seconds, &first, &second) == 3) do_broadcast(seconds, first, second);
  else if (sscanf(line, "echo %d %lf", &first, &seconds) == 2) do_echo(first, seconds);
  else if (sscanf(line, "idle %lf", &seconds) == 1) do_idle(seconds);
  else if (sscanf(line, "stall %d", &first) == 1) do_stall(first);
  else if (!strcmp(line, "stalled")) do_stalled();
  else return false;
  return true;
}

static void obey(char *line) {
  if (measure(line)) return;
  char *rest = strchr(line, ' ');
  if (rest) *rest++ = 0;
  puts(rest && prepare(line, rest) ? "{}" : "{\"error\":\"no such command\"}");
}

/* Read some of stdin and obey when a line is complete; false at its end. */
static bool read_command(void) {
  static char line[BUFFER];
  static size_t length;
  ssize_t got = read(0, line + length, sizeof line - length - 1);
  if (got <= 0) return false;
  length += got;
  line[length] = 0;
  if (line[length - 1] != '\n') return true;
  line[length - 1] = 0;
  length = 0;
  struct epoll_event event = {.events = EPOLLIN};
  epoll_ctl(epoll, EPOLL_CTL_DEL, 0, NULL);
  obey(line);
  fflush(stdout);
  epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &event);
  return true;
}

int main(int count, char **arguments) {
  if (count != 4) return fprintf(stderr, "usage: generator HOST PORT PATH\n"), 2;
  host = arguments[1];
  path = arguments[3];
  address.sin_family = AF_INET;
  address.sin_port = htons(atoi(arguments[2]));
  inet_pton(AF_INET, host, &address.sin_addr);
  connections = calloc(MAX_CONNECTIONS, sizeof *connections);
  members = calloc(MAX_CONNECTIONS, sizeof *members);
  published = calloc(MAX_CONNECTIONS, sizeof *published);
  epoll = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN};
  epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &event);
  while (!turn(1000) || read_command()) continue;
  return 0;
}
