// Looks names up with getaddrinfo() of the C library it is built with, one after the other.
// A line for each: NAME, "ok" or what is wrong, addresses, milliseconds; tabs between.
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo* found = NULL;
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    const int error = getaddrinfo(argv[i], NULL, &hints, &found);
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%s\t%s\t", argv[i], error == 0 ? "ok" : gai_strerror(error));
    for (const struct addrinfo* each = found; each != NULL; each = each->ai_next) {
      char host[NI_MAXHOST];
      if (getnameinfo(each->ai_addr, each->ai_addrlen, host, sizeof host, NULL, 0,
                      NI_NUMERICHOST) == 0) {
        printf("%s ", host);
      }
    }
    printf("\t%.3f\n", (end.tv_sec - begin.tv_sec) * 1e3 + (end.tv_nsec - begin.tv_nsec) / 1e6);
    fflush(stdout);
    if (found != NULL) freeaddrinfo(found);
  }
  return 0;
}
