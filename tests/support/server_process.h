// The real binary as a child process: started, watched, stopped.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "support/socket.h"

namespace clusterdns::test {

// The server under test: CLUSTERDNS_BINARY, or the one this build made.
[[nodiscard]] std::filesystem::path server_binary();

struct ProcessOptions {
  std::vector<std::string> arguments;  // without the program's name
  std::filesystem::path working_directory = {};
  std::vector<std::pair<std::string, std::string>> environment = {};  // added to our own
  std::optional<unsigned> open_files = std::nullopt;                  // RLIMIT_NOFILE of the child
  std::optional<std::size_t> address_space = std::nullopt;            // RLIMIT_AS of the child
  // Where standard output and error go; nothing is collected then. The caller's.
  std::optional<int> output = std::nullopt;
  std::vector<int> ignored_signals = {};  // by the child, from its beginning
  std::filesystem::path standard_input = "/dev/null";
};

// Safe to use from one thread at a time; a thread of its own collects the output.
class ServerProcess {
 public:
  // Starts the binary and returns at once. Throws TestError when it cannot.
  explicit ServerProcess(ProcessOptions options);
  // Kills the child when the test did not stop it.
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  // Waits for `count` lines `Listening on ADDRESS:PORT (udp, tcp)`. Throws TestError with the
  // output when the process ends or the deadline passes first.
  const std::vector<Endpoint>& wait_until_listening(std::size_t count = 1);
  // The first address it listens on.
  [[nodiscard]] const Endpoint& endpoint();

  // Waits until `text` appears `times` times in the output (both streams together).
  [[nodiscard]] bool wait_for_output(std::string_view text, std::size_t times = 1,
                                     std::chrono::milliseconds budget = kAnswerTimeout);
  [[nodiscard]] std::string standard_output() const;
  [[nodiscard]] std::string standard_error() const;
  // Both, for failure messages.
  [[nodiscard]] std::string output() const;

  void signal(int number) const;
  // Exit code, or 128 + the number of the signal that ended it; nullopt when the deadline passes.
  [[nodiscard]] std::optional<int> wait_for_exit(const Deadline& deadline);
  // SIGTERM, then wait_for_exit. Throws TestError when it does not end in time.
  int stop();
  [[nodiscard]] bool running();
  [[nodiscard]] pid_t pid() const { return pid_; }
  // How many descriptors it has open.
  [[nodiscard]] std::size_t open_descriptors() const;
  // Octets of memory that are its own and in use.
  [[nodiscard]] std::size_t resident() const;
  // The most that this was at any time.
  [[nodiscard]] std::size_t most_resident() const;
  // Octets of address space, which RLIMIT_AS is about.
  [[nodiscard]] std::size_t address_space() const;
  // Processor time it has used, user and system together.
  [[nodiscard]] std::chrono::milliseconds processor_time() const;

 private:
  void collect();
  // Of /proc/PID/status, in octets.
  [[nodiscard]] std::size_t memory_figure(std::string_view name) const;

  pid_t pid_ = -1;
  FileDescriptor process_;  // pidfd
  FileDescriptor out_;
  FileDescriptor err_;
  FileDescriptor stop_;  // eventfd that ends the collector
  std::optional<int> exit_;
  std::vector<Endpoint> endpoints_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::string stdout_text_;  // guarded by mutex_, as the rest below
  std::string stderr_text_;
  bool ended_ = false;
  std::thread collector_;
};

// Runs the binary to its end: `clusterdns ARGUMENTS…`.
struct RunResult {
  int exit_code = 0;
  std::string standard_output;
  std::string standard_error;
};
[[nodiscard]] RunResult run(ProcessOptions options,
                            std::chrono::milliseconds budget = std::chrono::seconds(60));

}  // namespace clusterdns::test
