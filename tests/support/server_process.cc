#include "support/server_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>

namespace clusterdns::test {
namespace {

// Sanitizer builds on a loaded machine start and end slowly; a plain one needs milliseconds.
constexpr std::chrono::milliseconds kStartTimeout{60'000};
constexpr std::chrono::milliseconds kStopTimeout{60'000};
constexpr std::string_view kListening = "Listening on ";

std::string error_text(const char* what) { return std::string(what) + ": " + std::strerror(errno); }

std::vector<Endpoint> listeners_in(const std::string& text) {
  std::vector<Endpoint> result;
  std::size_t at = 0;
  while ((at = text.find(kListening, at)) != std::string::npos) {
    at += kListening.size();
    const std::size_t end = text.find(' ', at);
    if (end == std::string::npos || text.find('\n', at) == std::string::npos) {
      break;  // the line is not complete yet
    }
    result.push_back(Endpoint::from_text(std::string_view(text).substr(at, end - at)));
  }
  return result;
}

std::size_t occurrences(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos;
       at = text.find(part, at + part.size())) {
    ++count;
  }
  return count;
}

struct Pipe {
  FileDescriptor read;
  FileDescriptor write;
};

Pipe make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    throw TestError(error_text("pipe2"));
  }
  return {FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

}  // namespace

std::filesystem::path server_binary() {
  if (const char* path = std::getenv("CLUSTERDNS_BINARY")) {
    return std::filesystem::absolute(path);
  }
#ifdef CLUSTERDNS_BINARY_PATH
  return CLUSTERDNS_BINARY_PATH;
#else
  throw TestError("set CLUSTERDNS_BINARY to the server to test");
#endif
}

ServerProcess::ServerProcess(ProcessOptions options) {
  // Everything the child needs is prepared before fork(): between fork() and exec() only
  // async-signal-safe calls are allowed.
  const std::string binary = server_binary().string();
  std::vector<char*> argv{const_cast<char*>(binary.c_str())};
  for (std::string& argument : options.arguments) {
    argv.push_back(argument.data());
  }
  argv.push_back(nullptr);

  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::string_view key = text.substr(0, text.find('='));
    bool replaced = false;
    for (const auto& [name, value] : options.environment) {
      replaced = replaced || name == key;
    }
    if (!replaced) {
      environment.emplace_back(text);
    }
  }
  for (const auto& [name, value] : options.environment) {
    environment.push_back(name + "=" + value);
  }
  std::vector<char*> envp;
  for (std::string& entry : environment) {
    envp.push_back(entry.data());
  }
  envp.push_back(nullptr);

  Pipe out = make_pipe();
  Pipe err = make_pipe();
  const FileDescriptor input(::open(options.standard_input.c_str(), O_RDONLY | O_CLOEXEC));
  const std::string directory = options.working_directory.string();
  const pid_t parent = ::getpid();

  pid_ = ::fork();
  if (pid_ < 0) {
    throw TestError(error_text("fork"));
  }
  if (pid_ == 0) {
    // A test program that dies must not leave servers behind.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) {
      ::_exit(127);
    }
    ::dup2(input.get(), STDIN_FILENO);
    ::dup2(options.output.value_or(out.write.get()), STDOUT_FILENO);
    ::dup2(options.output.value_or(err.write.get()), STDERR_FILENO);
    for (const int number : options.ignored_signals) {
      ::signal(number, SIG_IGN);
    }
    if (!directory.empty() && ::chdir(directory.c_str()) != 0) {
      ::_exit(127);
    }
    if (options.open_files.has_value()) {
      const rlimit limit{*options.open_files, *options.open_files};
      ::setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (options.address_space.has_value()) {
      const rlimit limit{*options.address_space, RLIM_INFINITY};
      ::setrlimit(RLIMIT_AS, &limit);
    }
    ::execve(binary.c_str(), argv.data(), envp.data());
    ::_exit(127);
  }
  process_ = FileDescriptor(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  stop_ = FileDescriptor(::eventfd(0, EFD_CLOEXEC));
  if (!process_.valid() || !stop_.valid()) {
    ::kill(pid_, SIGKILL);
    throw TestError(error_text("pidfd_open"));
  }
  out_ = std::move(out.read);
  err_ = std::move(err.read);
  collector_ = std::thread([this] { collect(); });
}

ServerProcess::~ServerProcess() {
  if (!exit_.has_value()) {
    ::kill(pid_, SIGKILL);
    (void)wait_for_exit(Deadline::after(kStopTimeout));
  }
  const std::uint64_t one = 1;
  (void)!::write(stop_.get(), &one, sizeof one);
  collector_.join();
}

void ServerProcess::collect() {
  // Shown when neither pipe has more, unless that takes too long: who sees one line sees what the
  // other pipe got before it.
  constexpr std::size_t kShown = 256 * 1024;
  std::array<char, 65536> buffer{};
  std::string out, err;
  bool out_open = true;
  bool err_open = true;
  const auto drain = [&](const FileDescriptor& fd, std::string& into, bool& open) {
    const ssize_t count = ::read(fd.get(), buffer.data(), buffer.size());
    if (count > 0) {
      into.append(buffer.data(), static_cast<std::size_t>(count));
    } else {
      open = count < 0 && errno == EINTR;
    }
  };
  const auto show = [&] {
    if (out.empty() && err.empty()) return;
    const std::lock_guard lock(mutex_);
    stdout_text_ += std::exchange(out, {});
    stderr_text_ += std::exchange(err, {});
    changed_.notify_all();
  };
  while (out_open || err_open) {
    pollfd entries[3] = {{out_open ? out_.get() : -1, POLLIN, 0},
                         {err_open ? err_.get() : -1, POLLIN, 0},
                         {stop_.get(), POLLIN, 0}};
    const int ready = ::poll(entries, 3, out.empty() && err.empty() ? -1 : 0);
    if (ready < 0) {
      if (errno == EINTR) {
        continue;
      }
      break;
    }
    if (entries[0].revents != 0) {
      drain(out_, out, out_open);
    }
    if (entries[1].revents != 0) {
      drain(err_, err, err_open);
    }
    if (entries[0].revents == 0 && entries[1].revents == 0) {
      show();
      if (entries[2].revents != 0) {
        break;
      }
    } else if (out.size() + err.size() > kShown) {
      show();
    }
  }
  show();
  const std::lock_guard lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

const std::vector<Endpoint>& ServerProcess::wait_until_listening(std::size_t count) {
  if (endpoints_.size() >= count) {
    return endpoints_;
  }
  std::unique_lock lock(mutex_);
  const auto enough = [&] { return listeners_in(stdout_text_).size() >= count || ended_; };
  changed_.wait_for(lock, kStartTimeout * patience(), enough);
  endpoints_ = listeners_in(stdout_text_);
  if (endpoints_.size() < count) {
    throw TestError(server_binary().string() + " does not listen; its output:\n" + stdout_text_ +
                    stderr_text_);
  }
  return endpoints_;
}

const Endpoint& ServerProcess::endpoint() { return wait_until_listening().front(); }

bool ServerProcess::wait_for_output(std::string_view text, std::size_t times,
                                    std::chrono::milliseconds budget) {
  std::unique_lock lock(mutex_);
  const auto found = [&] {
    return occurrences(stdout_text_, text) + occurrences(stderr_text_, text) >= times;
  };
  changed_.wait_for(lock, budget * patience(), [&] { return found() || ended_; });
  return found();
}

std::string ServerProcess::standard_output() const {
  const std::lock_guard lock(mutex_);
  return stdout_text_;
}

std::string ServerProcess::standard_error() const {
  const std::lock_guard lock(mutex_);
  return stderr_text_;
}

std::string ServerProcess::output() const {
  const std::lock_guard lock(mutex_);
  return "--- stdout\n" + stdout_text_ + "--- stderr\n" + stderr_text_;
}

void ServerProcess::signal(int number) const {
  if (::kill(pid_, number) != 0) {
    throw TestError(error_text("kill"));
  }
}

std::optional<int> ServerProcess::wait_for_exit(const Deadline& deadline) {
  if (exit_.has_value()) {
    return exit_;
  }
  if (!wait_for(process_.get(), POLLIN, deadline)) {
    return std::nullopt;
  }
  int status = 0;
  if (::waitpid(pid_, &status, 0) != pid_) {
    throw TestError(error_text("waitpid"));
  }
  exit_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  // The pipes may still hold the last words.
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, kStopTimeout, [&] { return ended_; });
  return exit_;
}

int ServerProcess::stop() {
  if (!exit_.has_value()) {
    signal(SIGTERM);
  }
  const std::optional<int> code = wait_for_exit(Deadline::after(kStopTimeout));
  if (!code.has_value()) {
    throw TestError("the server does not end on SIGTERM; its output:\n" + output());
  }
  return *code;
}

bool ServerProcess::running() {
  return !wait_for_exit(Deadline::exactly(std::chrono::milliseconds(0))).has_value();
}

std::size_t ServerProcess::open_descriptors() const {
  std::size_t count = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid_) + "/fd")) {
    (void)entry;
    ++count;
  }
  return count;
}

std::size_t ServerProcess::memory_figure(std::string_view name) const {
  std::ifstream in("/proc/" + std::to_string(pid_) + "/status");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(name)) return std::stoul(line.substr(name.size() + 1)) * 1024;
  }
  return 0;
}

std::size_t ServerProcess::resident() const { return memory_figure("VmRSS"); }
std::size_t ServerProcess::most_resident() const { return memory_figure("VmHWM"); }
std::size_t ServerProcess::address_space() const { return memory_figure("VmSize"); }

std::chrono::milliseconds ServerProcess::processor_time() const {
  std::ifstream in("/proc/" + std::to_string(pid_) + "/stat");
  std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  // The second field may hold spaces; count from the parenthesis that ends it (proc(5)).
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) {
    fields >> skipped;
  }
  long user = 0;
  long system = 0;
  fields >> user >> system;
  return std::chrono::milliseconds((user + system) * 1000 / ::sysconf(_SC_CLK_TCK));
}

RunResult run(ProcessOptions options, std::chrono::milliseconds budget) {
  ServerProcess process(std::move(options));
  const std::optional<int> code = process.wait_for_exit(Deadline::after(budget));
  if (!code.has_value()) {
    throw TestError("the program does not end; its output:\n" + process.output());
  }
  return {*code, process.standard_output(), process.standard_error()};
}

}  // namespace clusterdns::test
