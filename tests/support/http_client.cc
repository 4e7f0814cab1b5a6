#include "support/http_client.h"

#include <poll.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace clusterdns::test {

HttpResult http_get(const Endpoint& server, std::string_view path, std::string_view method) {
  const Deadline deadline = Deadline::after(kAnswerTimeout);
  sockaddr_storage storage{};
  const socklen_t length = server.fill(storage);
  const FileDescriptor fd(::socket(server.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&storage), length) != 0 &&
      errno != EINPROGRESS) {
    throw TestError(std::string("connect: ") + std::strerror(errno));
  }
  if (!wait_for(fd.get(), POLLOUT, deadline)) throw TestError("no HTTP connection in time");
  const std::string request = std::string(method) + " " + std::string(path) +
                              " HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
  if (::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size())) {
    throw TestError(std::string("send: ") + std::strerror(errno));
  }
  std::string all;
  for (;;) {
    if (!wait_for(fd.get(), POLLIN, deadline)) throw TestError("no HTTP answer in time");
    std::array<char, 16384> buffer;
    const ssize_t n = ::recv(fd.get(), buffer.data(), buffer.size(), 0);
    if (n < 0) throw TestError(std::string("recv: ") + std::strerror(errno));
    if (n == 0) break;
    all.append(buffer.data(), static_cast<std::size_t>(n));
  }
  const std::size_t end = all.find("\r\n\r\n");
  if (!all.starts_with("HTTP/1.1 ") || end == std::string::npos) {
    throw TestError("no HTTP answer: " + all.substr(0, 100));
  }
  return {std::atoi(all.c_str() + 9), all.substr(0, end), all.substr(end + 4)};
}

std::map<std::string, double> parse_metrics(std::string_view text) {
  std::map<std::string, double> samples;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line[0] == '#') continue;
    const std::size_t blank = line.rfind(' ');
    char* rest = nullptr;
    const double value =
        blank == std::string::npos ? 0 : std::strtod(line.c_str() + blank + 1, &rest);
    if (blank == std::string::npos || rest == line.c_str() + blank + 1 || *rest != '\0') {
      throw TestError("no sample: " + line);
    }
    if (!samples.emplace(line.substr(0, blank), value).second) {
      throw TestError("a sample twice: " + line);
    }
  }
  return samples;
}

}  // namespace clusterdns::test
