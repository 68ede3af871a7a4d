/*
 * A function in an image of its own, without libc's help beyond sockets, so that it links statically and starts at
 * once. With AWS_LAMBDA_RUNTIME_API it speaks the Runtime API, else the emulator's protocol on port 8080.
 *
 * BEHAVIOUR, from the environment: "exit:<n>" ends at once with that code; "stuck" never gets ready; "slow:<ms>" gets
 * ready after that time. An event with {"exit":<n>} ends the process, {"allocate":<megabytes>} takes that much memory,
 * {"print":<text>} prints, {"sleep":<ms>} takes its time; every event is answered with itself.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

struct message { char *bytes; size_t length, capacity, head, body; };

/* Reads one HTTP message, whose body has a Content-Length. False when the connection is over. */
static int receive(int fd, struct message *m) {
  m->length = m->body = 0;
  for (;;) {
    if (m->capacity - m->length < 4096) m->bytes = realloc(m->bytes, m->capacity = m->capacity * 2 + 65536);
    ssize_t n = read(fd, m->bytes + m->length, m->capacity - m->length - 1);
    if (n <= 0) return 0;
    m->length += n;
    m->bytes[m->length] = 0;
    char *end = strstr(m->bytes, "\r\n\r\n");
    if (!end) continue;
    m->head = end - m->bytes + 4;
    char *field = strcasestr(m->bytes, "\r\ncontent-length:");
    m->body = field && field < end ? strtoul(field + 17, 0, 10) : 0;
    while (m->length < m->head + m->body) {
      if (m->capacity - m->length < 4096) m->bytes = realloc(m->bytes, m->capacity = m->capacity * 2 + 65536);
      n = read(fd, m->bytes + m->length, m->capacity - m->length - 1);
      if (n <= 0) return 0;
      m->length += n;
    }
    m->bytes[m->length] = 0;
    return 1;
  }
}

static int transmit(int fd, const char *head, const char *body, size_t length) {
  if (write(fd, head, strlen(head)) < 0) return 0;
  for (size_t at = 0; at < length;) {
    ssize_t n = write(fd, body + at, length - at);
    if (n <= 0) return 0;
    at += n;
  }
  return 1;
}

static void obey(const char *event) {
  char *found;
  if ((found = strstr(event, "\"print\":\""))) {
    char *end = strchr(found + 9, '"');
    printf("%.*s\n", (int)(end - found - 9), found + 9);
    fflush(stdout);
  }
  if ((found = strstr(event, "\"allocate\":")))
    for (int i = atoi(found + 11); i > 0; i--) memset(malloc(1 << 20), i | 1, 1 << 20);
  if ((found = strstr(event, "\"sleep\":"))) usleep(atoi(found + 8) * 1000);
  if ((found = strstr(event, "\"exit\":"))) _exit(atoi(found + 7));
}

static void *serve(void *argument) {
  int fd = (int)(long)argument;
  struct message m = {0};
  char head[128];
  while (receive(fd, &m)) {
    obey(m.bytes + m.head);
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", m.body);
    if (!transmit(fd, head, m.bytes + m.head, m.body)) break;
  }
  free(m.bytes);
  close(fd);
  return 0;
}

static int emulate(void) {
  int s = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(8080)};
  if (bind(s, (void *)&a, sizeof a) || listen(s, 512)) return perror("bind"), 1;
  for (;;) {
    int fd = accept(s, 0, 0);
    pthread_t thread;
    if (fd < 0) continue;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    pthread_create(&thread, 0, serve, (void *)(long)fd);
    pthread_detach(thread);
  }
}

static int poll_events(const char *api) {
  char host[64] = {0}, head[512], id[128];
  const char *colon = strchr(api, ':');
  memcpy(host, api, colon - api);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(atoi(colon + 1))};
  inet_pton(AF_INET, host, &a.sin_addr);
  int s = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(s, (void *)&a, sizeof a)) return perror("connect"), 1;
  struct message m = {0};
  for (;;) {
    snprintf(head, sizeof head, "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: %s\r\n\r\n", api);
    if (!transmit(s, head, "", 0) || !receive(s, &m)) return 1;
    obey(m.bytes + m.head);
    char *field = strcasestr(m.bytes, "\r\nlambda-runtime-aws-request-id:");
    if (!field || sscanf(field + 32, " %127[^\r]", id) != 1) return 1;
    snprintf(head, sizeof head, "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: %s\r\nContent-Length: %zu\r\n\r\n", id, api, m.body);
    if (!transmit(s, head, m.bytes + m.head, m.body) || !receive(s, &m)) return 1;
  }
}

int main(void) {
  const char *behaviour = getenv("BEHAVIOUR"), *api = getenv("AWS_LAMBDA_RUNTIME_API");
  signal(SIGPIPE, SIG_IGN);
  printf("function %s is up\n", getenv("AWS_LAMBDA_FUNCTION_NAME"));
  fflush(stdout);
  if (behaviour && !strncmp(behaviour, "exit:", 5)) {
    fprintf(stderr, "last words\n");
    return atoi(behaviour + 5);
  }
  if (behaviour && !strcmp(behaviour, "stuck")) for (;;) pause();
  if (behaviour && !strncmp(behaviour, "slow:", 5)) usleep(atoi(behaviour + 5) * 1000);
  return api ? poll_events(api) : emulate();
}
