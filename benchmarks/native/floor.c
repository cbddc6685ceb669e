/* The floor: a WebSocket server in C that does nothing but what the benchmark asks for.
 *
 * Speaks the raw protocol of the other peers: {"action": "subscribe" | "echo" | "broadcast", ...}. It checks
 * nothing, computes no Sec-WebSocket-Accept (the generator's key never changes) and expects each frame in
 * one piece. What it spends is the kernel's share of the work, which no server can avoid. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_FD (1 << 17)

static const char SWITCHING[] =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
static const char SUBSCRIBED[] = "{\"type\":\"subscribed\"}";

static bool upgraded[MAX_FD];
static int place[MAX_FD]; /* fd -> 1 + its index among the subscribers; 0: it is none */
static int subscribers[MAX_FD], subscriber_count, epoll;
static uint8_t input[65536], output[65536 + 4];

/* Make a text frame of a format and a payload; returns its length. */
static size_t make_frame(const char *format, int length, const char *payload) {
  int size = snprintf((char *)output + 4, sizeof output - 4, format, length, payload);
  output[0] = 0x81;
  if (size < 126) {
    output[1] = size;
    memmove(output + 2, output + 4, size);
    return size + 2;
  }
  output[1] = 126;
  output[2] = size >> 8;
  output[3] = size;
  return size + 4;
}

static void send_output(int fd, size_t size) { send(fd, output, size, MSG_NOSIGNAL | MSG_DONTWAIT); }

static void subscribe(int fd) {
  if (!place[fd]) {
    subscribers[subscriber_count++] = fd;
    place[fd] = subscriber_count;
  }
  send_output(fd, make_frame("%.*s", sizeof SUBSCRIBED - 1, SUBSCRIBED));
}

static void drop(int fd) {
  if (place[fd]) {
    int last = subscribers[--subscriber_count];
    subscribers[place[fd] - 1] = last;
    place[last] = place[fd];
  }
  place[fd] = upgraded[fd] = 0;
  close(fd);
}

static void on_message(int fd, const char *text, int length) {
  if (memmem(text, length, "\"subscribe\"", 11)) {
    subscribe(fd);
  } else if (memmem(text, length, "\"echo\"", 6)) {
    send_output(fd, make_frame("{\"type\":\"echo\",\"message\":%.*s}", length, text));
  } else if (memmem(text, length, "\"broadcast\"", 11)) {
    size_t size = make_frame("{\"type\":\"broadcast\",\"message\":%.*s}", length, text);
    for (int i = 0; i < subscriber_count; i++) send_output(subscribers[i], size);
  }
}

static void on_frames(int fd, uint8_t *at, uint8_t *end) {
  while (end - at >= 6) {
    uint8_t opcode = at[0] & 15;
    size_t length = at[1] & 127;
    uint8_t *key = at + 2;
    if (length == 126) {
      length = at[2] << 8 | at[3];
      key += 2;
    }
    uint8_t *payload = key + 4;
    if (opcode == 8) return drop(fd);
    if (payload + length > end) return;
    for (size_t i = 0; i < length; i++) payload[i] ^= key[i & 3];
    if (opcode == 1) on_message(fd, (char *)payload, length);
    at = payload + length;
  }
}

static void on_readable(int fd) {
  ssize_t got = recv(fd, input, sizeof input, 0);
  if (got <= 0) {
    if (got == 0 || errno != EAGAIN) drop(fd);
  } else if (!upgraded[fd]) {
    upgraded[fd] = true;
    send(fd, SWITCHING, sizeof SWITCHING - 1, MSG_NOSIGNAL);
  } else {
    on_frames(fd, input, input + got);
  }
}

static void accept_all(int listener) {
  int fd, yes = 1;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
  }
}

static int listen_on(int port) {
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), yes = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(listener, (void *)&address, sizeof address) || listen(listener, 4096)) {
    perror("listen");
    exit(1);
  }
  return listener;
}

int main(int count, char **arguments) {
  if (count != 2) return fprintf(stderr, "usage: floor PORT\n"), 2;
  int listener = listen_on(atoi(arguments[1]));
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[512];
  epoll = epoll_create1(0);
  epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
  for (;;) {
    int ready = epoll_wait(epoll, events, 512, -1);
    for (int i = 0; i < ready; i++) {
      if (events[i].data.fd == listener) accept_all(listener);
      else on_readable(events[i].data.fd);
    }
  }
}
