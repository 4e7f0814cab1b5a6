// Blocking sockets with deadlines for the test programs: addresses, descriptors, waiting.
//
// Independent of the product's own code on purpose. Nothing here sleeps: every wait is a poll()
// on the descriptor that brings the news, bounded by a Deadline.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace clusterdns::test {

// What a test reports when the outside world did not do what it had to (no answer in time, a
// refused connection). GoogleTest turns it into a failure of the running test.
class TestError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// How much longer than usual a wait may take, from CLUSTERDNS_TEST_PATIENCE (default 1): sanitizers
// and loaded machines need a factor, never another test.
[[nodiscard]] int patience();

// A point in time that waits must not pass.
class Deadline {
 public:
  // `budget` from now, times patience().
  static Deadline after(std::chrono::milliseconds budget);
  // Exactly `budget` from now.
  static Deadline exactly(std::chrono::milliseconds budget);

  [[nodiscard]] bool passed() const;
  // Left over, rounded up, for poll(); 0 when passed.
  [[nodiscard]] int remaining_ms() const;

 private:
  explicit Deadline(std::chrono::steady_clock::time_point at) : at_(at) {}
  std::chrono::steady_clock::time_point at_;
};

// How long what has to come on loopback may take before the test calls it lost: only a failure
// waits for so long, and a machine that builds and tests beside may stand still for seconds.
inline constexpr std::chrono::milliseconds kAnswerTimeout{30'000};

// An address and a port, host byte order. Text form `127.0.0.1:53` or `[::1]:53`.
struct Endpoint {
  std::string address;
  std::uint16_t port = 0;

  // Throws TestError when `text` is not of that form.
  static Endpoint from_text(std::string_view text);
  [[nodiscard]] std::string text() const;
  [[nodiscard]] int family() const;
  // Fills `storage`, returns the length that bind() and connect() want.
  socklen_t fill(sockaddr_storage& storage) const;
  static Endpoint from_sockaddr(const sockaddr_storage& storage);
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

// Owns one file descriptor.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  ~FileDescriptor() { reset(); }

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool valid() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset();

 private:
  int fd_ = -1;
};

// Waits until `fd` has one of `events` (poll() flags) or an error; false when the deadline passed.
bool wait_for(int fd, short events, const Deadline& deadline);

// A socket bound to `local` (port 0: any). Throws TestError.
FileDescriptor bound_socket(const Endpoint& local, int type);
// Gives a UDP socket as much room as the system allows: what comes while this process does not run
// is not lost here.
void make_room(int fd);
// A port of `address` that neither UDP nor TCP uses, for what must be written down before it is
// listened on, or for where nobody shall listen. It is not one that the kernel gives to whoever
// asks for any, and no other test that calls this gets it before this process ends. Prefer port 0
// wherever the server can tell what it got.
Endpoint unused_endpoint(const std::string& address);
// What the socket is bound to.
Endpoint local_endpoint(int fd);

}  // namespace clusterdns::test
