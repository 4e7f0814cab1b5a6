// The same with ares_getaddrinfo() of c-ares, all of its defaults; one channel for all names.
#include <arpa/inet.h>
#include <ares.h>
#include <stdio.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>

static void told(void* done, int status, int timeouts, struct ares_addrinfo* found) {
  (void)timeouts;
  *(int*)done = 1;
  printf("%s\t", status == ARES_SUCCESS ? "ok" : ares_strerror(status));
  if (found == NULL) return;
  for (const struct ares_addrinfo_node* each = found->nodes; each != NULL; each = each->ai_next) {
    char text[INET6_ADDRSTRLEN];
    const void* address =
        each->ai_family == AF_INET
            ? (const void*)&((const struct sockaddr_in*)(const void*)each->ai_addr)->sin_addr
            : (const void*)&((const struct sockaddr_in6*)(const void*)each->ai_addr)->sin6_addr;
    printf("%s ", inet_ntop(each->ai_family, address, text, sizeof text));
  }
  ares_freeaddrinfo(found);
}

int main(int argc, char** argv) {
  ares_channel channel;
  if (ares_library_init(ARES_LIB_INIT_ALL) != 0 || ares_init(&channel) != 0) return 1;
  for (int i = 1; i < argc; ++i) {
    const struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct timespec begin, end;
    int done = 0;
    printf("%s\t", argv[i]);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    ares_getaddrinfo(channel, argv[i], NULL, &hints, told, &done);
    while (!done) {
      fd_set readable, writable;
      FD_ZERO(&readable);
      FD_ZERO(&writable);
      const int most = ares_fds(channel, &readable, &writable);
      struct timeval wait;
      struct timeval* const until = ares_timeout(channel, NULL, &wait);
      select(most, &readable, &writable, NULL, until);
      ares_process(channel, &readable, &writable);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("\t%.3f\n", (end.tv_sec - begin.tv_sec) * 1e3 + (end.tv_nsec - begin.tv_nsec) / 1e6);
    fflush(stdout);
  }
  ares_destroy(channel);
  return 0;
}
