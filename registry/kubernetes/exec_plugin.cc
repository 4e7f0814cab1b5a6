#include "registry/kubernetes/exec_plugin.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cerrno>
#include <ctime>
#include <exception>
#include <limits>
#include <mutex>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "registry/json_text.h"
#include "registry/shown_text.h"

extern char** environ;

namespace clusterdns::registry::kubernetes {
namespace {

using Clock = std::chrono::steady_clock;

// A plugin that has ended may have left something behind that holds its output open.
constexpr std::chrono::milliseconds kAfterEnd{500};
// How often the end of the plugin is looked for where the kernel cannot tell of it.
constexpr std::chrono::milliseconds kLookEvery{20};
// The last octets of its standard error that are kept, for the log.
constexpr std::size_t kKeptError = 2048;
// Octets of its words in a line of ours.
constexpr std::size_t kMaxComplaint = 256;

std::string reason(int error) { return std::generic_category().message(error); }

std::string text(const boost::json::object& object, std::string_view key) {
  const auto* const value = object.if_contains(key);
  if (value == nullptr || !value->is_string()) return {};
  return {value->get_string().data(), value->get_string().size()};
}

std::string exec_info(const ExecPlugin& plugin, const ApiConfig& config) {
  boost::json::object spec{{"interactive", false}};
  if (plugin.provide_cluster_info && !config.servers.empty()) {
    const ApiServer& server = config.servers.front();
    boost::json::object cluster{
        {"server", (server.tls ? "https://" : "http://") + server.host_port() + server.base_path}};
    if (!config.ca_data.empty()) {
      cluster["certificate-authority-data"] = encode_base64(config.ca_data);
    }
    if (!config.tls_server_name.empty()) cluster["tls-server-name"] = config.tls_server_name;
    if (config.insecure_skip_tls_verify) cluster["insecure-skip-tls-verify"] = true;
    spec["cluster"] = std::move(cluster);
  }
  return boost::json::serialize(boost::json::object{
      {"apiVersion", plugin.api_version}, {"kind", "ExecCredential"}, {"spec", std::move(spec)}});
}

}  // namespace

std::optional<std::chrono::system_clock::time_point> parse_rfc3339(std::string_view text) {
  std::tm tm{};
  const std::string copy(text);
  const char* rest = ::strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%S", &tm);
  if (rest == nullptr) return std::nullopt;
  std::int64_t nanoseconds = 0;
  if (*rest == '.') {
    ++rest;
    std::int64_t unit = 100'000'000;
    for (; *rest >= '0' && *rest <= '9'; ++rest, unit /= 10) nanoseconds += unit * (*rest - '0');
  }
  std::int64_t offset = 0;
  if (*rest == '+' || *rest == '-') {
    int hours = 0;
    int minutes = 0;
    if (std::sscanf(rest + 1, "%2d:%2d", &hours, &minutes) != 2) return std::nullopt;
    offset = (hours * 60 + minutes) * 60;
    if (*rest == '-') offset = -offset;
  } else if (*rest != 'Z' && *rest != 'z') {
    return std::nullopt;
  }
  using Time = std::chrono::system_clock::time_point;
  // Half an int64 of nanoseconds: the year 2116. "Never" is often written as the year 9999.
  constexpr std::int64_t kFar = std::numeric_limits<std::int64_t>::max() / 1'000'000'000 / 2;
  const std::int64_t seconds = static_cast<std::int64_t>(::timegm(&tm)) - offset;
  if (seconds > kFar) return Time::max();
  if (seconds < -kFar) return Time::min();
  return std::chrono::system_clock::from_time_t(seconds) +
         std::chrono::duration_cast<std::chrono::system_clock::duration>(
             std::chrono::nanoseconds(nanoseconds));
}

ExecCredential parse_exec_credential(const std::string& output, const std::string& command) {
  boost::system::error_code error;
  std::string json = output;
  replace_lone_surrogates(json);  // as Go reads them
  const boost::json::value value = boost::json::parse(json, error);
  if (error || !value.is_object()) {
    throw ConfigProblem("'" + command + "' did not print an ExecCredential in JSON");
  }
  const auto& object = value.get_object();
  if (text(object, "kind") != "ExecCredential") {
    throw ConfigProblem("'" + command + "' printed kind " + shown(text(object, "kind")) +
                        " instead of ExecCredential");
  }
  const auto* const status = object.if_contains("status");
  if (status == nullptr || !status->is_object()) {
    throw ConfigProblem("'" + command + "' printed an ExecCredential without `status`");
  }
  ExecCredential credential;
  credential.token = text(status->get_object(), "token");
  credential.client_certificate_data = text(status->get_object(), "clientCertificateData");
  credential.client_key_data = text(status->get_object(), "clientKeyData");
  if (const std::string expires = text(status->get_object(), "expirationTimestamp");
      !expires.empty()) {
    credential.expires = parse_rfc3339(expires);
    if (!credential.expires) {
      throw ConfigProblem("'" + command +
                          "' gave an `expirationTimestamp` that is not an RFC 3339 time");
    }
  }
  if (credential.token.empty() &&
      (credential.client_certificate_data.empty() || credential.client_key_data.empty())) {
    throw ConfigProblem("'" + command + "' gave neither a token nor a client certificate with key");
  }
  return credential;
}

std::vector<std::string> plugin_environment(const char* const* base, const ExecPlugin& plugin,
                                            const std::string& exec_info) {
  std::vector<std::string> result;
  std::unordered_map<std::string, std::size_t> places;
  const auto set = [&](std::string entry) {
    const auto [it, fresh] = places.try_emplace(entry.substr(0, entry.find('=')), result.size());
    if (fresh) {
      result.push_back(std::move(entry));
    } else {
      result[it->second] = std::move(entry);
    }
  };
  for (; *base != nullptr; ++base) set(*base);
  for (const auto& [name, value] : plugin.env) set(name + "=" + value);
  set("KUBERNETES_EXEC_INFO=" + exec_info);
  return result;
}

// The process, which either side may end: the thread that minds it, and the control thread.
class ExecPluginRun::Child {
 public:
  void started(pid_t pid) {
    const std::lock_guard lock(mutex_);
    pid_ = pid;
    if (cancelled_) ::kill(-pid_, SIGKILL);
  }
  void kill() {
    const std::lock_guard lock(mutex_);
    // All of its group.
    if (pid_ > 0) ::kill(-pid_, SIGKILL);
  }
  void cancel() {
    kill();
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
  }
  // True when it has ended; then it is gone, and `status` is waitpid's.
  bool reap(int& status) {
    const std::lock_guard lock(mutex_);
    if (pid_ <= 0) return true;
    const pid_t found = ::waitpid(pid_, &status, WNOHANG);
    if (found == 0) return false;
    if (found < 0) status = 0;  // somebody else of this program took it
    pid_ = -1;
    return true;
  }

 private:
  std::mutex mutex_;
  pid_t pid_ = -1;
  bool cancelled_ = false;
};

namespace {

// See set_plugin_open_files(); RLIM_INFINITY: what this process has.
rlim_t plugin_open_files = RLIM_INFINITY;

class Pipe {
 public:
  Pipe() = default;
  ~Pipe() {
    close_reader();
    close_writer();
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  // Only we do not wait at it: the plugin's end is an ordinary one.
  [[nodiscard]] bool make() {
    return ::pipe2(ends_, O_CLOEXEC) == 0 && ::fcntl(ends_[0], F_SETFL, O_NONBLOCK) == 0;
  }
  [[nodiscard]] int reader() const { return ends_[0]; }
  [[nodiscard]] int writer() const { return ends_[1]; }
  void close_reader() { close(ends_[0]); }
  void close_writer() { close(ends_[1]); }

 private:
  static void close(int& fd) {
    if (fd >= 0) ::close(std::exchange(fd, -1));
  }
  int ends_[2] = {-1, -1};
};

// What becomes of a new process.
struct Start {
  const char* command;
  char* const* arguments;
  char* const* environment;
  int output, errors;  // descriptors
  int failed;          // errno goes there when there is nothing to run
};

void put_at(int from, int to) noexcept {
  if (from == to) {
    ::fcntl(to, F_SETFD, 0);
  } else {
    ::dup2(from, to);
  }
}

// In the child, whose memory is this process's: only what a signal handler may do.
[[noreturn]] void become(const Start& start) noexcept {
  // As from a shell: no signal is handled, ignored or blocked, though the thread blocks all.
  struct sigaction usual {};
  usual.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction now {};
    if (::sigaction(signal, nullptr, &now) != 0 || now.sa_handler == SIG_DFL) continue;
    if (now.sa_handler != SIG_IGN || signal == SIGPIPE) ::sigaction(signal, &usual, nullptr);
  }
  ::setpgid(0, 0);
  put_at(::open("/dev/null", O_RDONLY), 0);
  put_at(start.output, 1);
  put_at(start.errors, 2);
  rlimit files{};
  if (plugin_open_files != RLIM_INFINITY && ::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = std::min(plugin_open_files, files.rlim_max);
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execvpe(start.command, start.arguments, start.environment);
  const int error = errno;
  [[maybe_unused]] const ssize_t told = ::write(start.failed, &error, sizeof error);
  ::_exit(127);
}

// Not posix_spawn(3), which sets no limits. The id of the process, or -1 with errno.
pid_t spawn(const Start& start) noexcept {
  const pid_t pid = ::vfork();
  if (pid == 0) become(start);
  return pid;
}

// 0, or the errno that says why there is no process.
int spawn(const ExecPlugin& plugin, std::vector<std::string>& environment, const Pipe& output,
          const Pipe& errors, pid_t* pid) {
  std::vector<char*> env;
  for (std::string& entry : environment) env.push_back(entry.data());
  env.push_back(nullptr);
  std::vector<std::string> arguments{plugin.command};
  arguments.insert(arguments.end(), plugin.args.begin(), plugin.args.end());
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);

  int failed[2];
  if (::pipe2(failed, O_CLOEXEC) != 0) return errno;
  *pid = spawn(Start{plugin.command.c_str(), argv.data(), env.data(), output.writer(),
                     errors.writer(), failed[1]});
  int error = *pid < 0 ? errno : 0;
  ::close(failed[1]);
  if (error == 0) {
    // Nothing comes when there is something to run, which closes the other end.
    int reason = 0;
    ssize_t n = 0;
    while ((n = ::read(failed[0], &reason, sizeof reason)) < 0 && errno == EINTR) continue;
    if (n == sizeof reason) {
      error = reason;
      while (::waitpid(*pid, nullptr, 0) < 0 && errno == EINTR) continue;
    }
  }
  ::close(failed[0]);
  return error;
}

// Appends what there is to read; closes the reader at the end. Says how much came.
std::size_t take(Pipe& pipe, std::string& text) {
  std::array<char, 16384> buffer;
  const ssize_t n = ::read(pipe.reader(), buffer.data(), buffer.size());
  if (n > 0) {
    text.append(buffer.data(), static_cast<std::size_t>(n));
    return static_cast<std::size_t>(n);
  }
  if (n == 0 || (errno != EINTR && errno != EAGAIN)) pipe.close_reader();
  return 0;
}

// What it complained of last.
std::string last_line(const std::string& errors) {
  const auto end = errors.find_last_not_of(" \t\r\n");
  if (end == std::string::npos) return {};
  const auto begin = errors.find_last_of("\r\n", end);
  return shown(std::string_view(errors).substr(begin + 1, end - begin), kMaxComplaint);
}

}  // namespace

void set_plugin_open_files(rlim_t soft_limit) noexcept { plugin_open_files = soft_limit; }

ExecPluginRun::Result ExecPluginRun::run(const ExecPlugin& plugin,
                                         std::vector<std::string> environment,
                                         std::chrono::milliseconds limit, Child& child) {
  const std::string name = "'" + plugin.command + "' ";
  Pipe output, errors;
  if (!output.make() || !errors.make()) return {name + "cannot be run: " + reason(errno), {}};
  pid_t pid = -1;
  const int error = spawn(plugin, environment, output, errors, &pid);
  output.close_writer();
  errors.close_writer();
  if (error != 0) {
    return {
        name + "cannot be run: " + reason(error) +
            (plugin.install_hint.empty() ? "" : "; " + shown(plugin.install_hint, kMaxComplaint)),
        {}};
  }

  child.started(pid);
  // Ready for reading when the process has ended; -1: this kernel has none.
  const int process = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  auto deadline = Clock::now() + limit;
  std::string text, complaints, problem;
  std::size_t complained = 0;
  int status = 0;
  bool ended = false;
  while (problem.empty() && !(ended && output.reader() < 0)) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) {
      if (!ended) problem = "did not end within " + std::to_string(limit.count()) + " ms";
      break;
    }
    pollfd watched[3] = {{output.reader(), POLLIN, 0},
                         {errors.reader(), POLLIN, 0},
                         {ended ? -1 : process, POLLIN, 0}};
    const bool look = !ended && process < 0;
    const auto wait = look ? std::min(left, kLookEvery) : left;
    if (::poll(watched, 3, static_cast<int>(wait.count())) < 0 && errno != EINTR) {
      problem = "cannot be waited for: " + reason(errno);
      break;
    }
    if (watched[0].revents != 0) (void)take(output, text);
    if (watched[1].revents != 0) complained += take(errors, complaints);
    if (text.size() > kMaxPluginOutput || complained > kMaxPluginOutput) {
      problem = "printed more than " + std::to_string(kMaxPluginOutput / 1024) + " KiB";
    }
    if (complaints.size() > 2 * kKeptError) complaints.erase(0, complaints.size() - kKeptError);
    if (!ended && (look || watched[2].revents != 0) && child.reap(status)) {
      ended = true;
      deadline = std::min(deadline, Clock::now() + kAfterEnd);
    }
  }
  if (process >= 0) ::close(process);
  if (!ended) {
    child.kill();
    // It dies at once unless the kernel holds it, which is then this thread's to wait for.
  } else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    problem = WIFEXITED(status) ? "ended with exit code " + std::to_string(WEXITSTATUS(status))
                                : "was ended by signal " + std::to_string(WTERMSIG(status));
  }
  if (!problem.empty()) {
    const std::string line = last_line(complaints);
    return {name + problem + (line.empty() ? "" : ": " + line), {}};
  }
  try {
    return {{}, parse_exec_credential(text, plugin.command)};
  } catch (const ConfigProblem& e) {
    return {e.what(), {}};
  }
}

ExecPluginRun::ExecPluginRun(boost::asio::io_context& io, std::chrono::milliseconds limit)
    : io_(io), limit_(limit) {}

ExecPluginRun::~ExecPluginRun() { cancel(); }

void ExecPluginRun::cancel() {
  if (child_) child_->cancel();
  if (result_) result_->abandon();
  child_.reset();
  result_.reset();
}

void ExecPluginRun::start(const ExecPlugin& plugin, const ApiConfig& cluster, Done done) {
  cancel();
  child_ = std::make_shared<Child>();
  result_ = std::make_shared<Delivery<Result>>(io_, [this, done = std::move(done)](Result result) {
    child_.reset();
    result_.reset();
    // This may start the next run.
    const Done callback = done;
    callback(result.problem, std::move(result.credential));
  });
  auto work = [plugin,
               environment = plugin_environment(environ, plugin, exec_info(plugin, cluster)),
               limit = limit_, child = child_, result = result_] {
    Result made;
    try {
      made = run(plugin, environment, limit, *child);
    } catch (const std::exception& e) {
      made.problem = "'" + plugin.command + "' cannot be run: " + e.what();
    }
    result->put(std::move(made));
    // However long that takes: no zombie is left, and nobody waits for it.
    int status = 0;
    while (!child->reap(status)) std::this_thread::sleep_for(kLookEvery);
  };
  if (!run_detached(std::move(work))) {
    result_->put({"'" + plugin.command + "' cannot be run: the system has no thread for it", {}});
  }
}

}  // namespace clusterdns::registry::kubernetes
