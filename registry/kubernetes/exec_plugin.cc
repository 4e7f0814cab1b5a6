#include "registry/kubernetes/exec_plugin.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json.hpp>
#include <cstring>
#include <ctime>

extern char** environ;

namespace clusterdns::registry::kubernetes {
namespace {

// A credential is a few kilobytes.
constexpr std::size_t kMaxOutput = 1024 * 1024;

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

// Ready for reading when the process has ended; -1: this kernel has none.
int open_process(pid_t pid) {
  return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
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
  return std::chrono::system_clock::from_time_t(::timegm(&tm) - offset) +
         std::chrono::duration_cast<std::chrono::system_clock::duration>(
             std::chrono::nanoseconds(nanoseconds));
}

ExecCredential parse_exec_credential(const std::string& output, const std::string& command) {
  boost::system::error_code error;
  const boost::json::value value = boost::json::parse(output, error);
  if (error || !value.is_object()) {
    throw ConfigProblem("'" + command + "' did not print an ExecCredential in JSON");
  }
  const auto& object = value.get_object();
  if (text(object, "kind") != "ExecCredential") {
    throw ConfigProblem("'" + command + "' printed kind '" + text(object, "kind") +
                        "' in place of ExecCredential");
  }
  const auto* const status = object.if_contains("status");
  if (status == nullptr || !status->is_object()) {
    throw ConfigProblem("'" + command + "' printed an ExecCredential without `status`");
  }
  ExecCredential credential;
  credential.token = text(status->get_object(), "token");
  credential.client_certificate_data = text(status->get_object(), "clientCertificateData");
  credential.client_key_data = text(status->get_object(), "clientKeyData");
  credential.expires = parse_rfc3339(text(status->get_object(), "expirationTimestamp"));
  if (credential.token.empty() &&
      (credential.client_certificate_data.empty() || credential.client_key_data.empty())) {
    throw ConfigProblem("'" + command + "' gave neither a token nor a client certificate with key");
  }
  return credential;
}

struct ExecPluginRun::Run : std::enable_shared_from_this<Run> {
  Run(boost::asio::io_context& io, std::string name)
      : output(io), process(io), timer(io), command(std::move(name)) {}
  ~Run() {
    // Nobody waits for it any more: end it and leave no zombie.
    if (pid > 0) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
    }
  }

  void read() {
    output.async_read_some(
        boost::asio::buffer(buffer),
        [self = shared_from_this()](const boost::system::error_code& error, std::size_t size) {
          if (self->ended) return;
          if (!error) {
            self->text.append(self->buffer.data(), size);
            if (self->text.size() > kMaxOutput) return self->finish("printed more than 1 MiB");
            return self->read();
          }
          self->wait();
        });
  }

  // The output has ended; the exit code follows.
  void wait() {
    process.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                       [self = shared_from_this()](const boost::system::error_code& error) {
                         if (self->ended || error) return;
                         self->finish({});
                       });
  }

  void finish(std::string problem) {
    ended = true;
    timer.cancel();
    boost::system::error_code ignored;
    output.close(ignored);
    process.close(ignored);
    ExecCredential credential;
    if (problem.empty()) {
      int status = 0;
      ::waitpid(pid, &status, 0);
      pid = -1;
      if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        problem = WIFEXITED(status) ? "ended with exit code " + std::to_string(WEXITSTATUS(status))
                                    : "was ended by signal " + std::to_string(WTERMSIG(status));
      } else {
        try {
          credential = parse_exec_credential(text, command);
        } catch (const ConfigProblem& e) {
          problem = e.what();
        }
      }
    }
    if (!problem.empty() && problem.find(command) == std::string::npos) {
      problem = "'" + command + "' " + problem;
    }
    auto callback = std::move(done);
    if (callback) callback(problem, std::move(credential));
  }

  boost::asio::posix::stream_descriptor output;
  boost::asio::posix::stream_descriptor process;
  boost::asio::steady_timer timer;
  std::string command;
  pid_t pid = -1;
  std::array<char, 4096> buffer{};
  std::string text;
  bool ended = false;
  Done done;
};

ExecPluginRun::ExecPluginRun(boost::asio::io_context& io, std::chrono::milliseconds limit)
    : io_(io), limit_(limit) {}

ExecPluginRun::~ExecPluginRun() {
  if (!run_) return;
  run_->ended = true;
  run_->done = nullptr;
  run_->timer.cancel();
  boost::system::error_code ignored;
  run_->output.close(ignored);
  run_->process.close(ignored);
}

void ExecPluginRun::start(const ExecPlugin& plugin, const ApiConfig& cluster, Done done) {
  auto run = std::make_shared<Run>(io_, plugin.command);
  run_ = run;
  run->done = [this, done = std::move(done)](const std::string& error, ExecCredential credential) {
    const auto keep = std::move(run_);
    run_ = nullptr;
    done(error, std::move(credential));
  };
  const auto fail_later = [&](std::string problem) {
    boost::asio::post(io_, [run, problem = std::move(problem)] {
      if (!run->ended) run->finish(problem);
    });
  };

  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_later(std::strerror(errno));
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  for (const auto& [name, value] : plugin.env) environment.push_back(name + "=" + value);
  environment.push_back("KUBERNETES_EXEC_INFO=" + exec_info(plugin, cluster));
  std::vector<char*> env;
  for (std::string& entry : environment) env.push_back(entry.data());
  env.push_back(nullptr);
  std::vector<std::string> arguments{plugin.command};
  arguments.insert(arguments.end(), plugin.args.begin(), plugin.args.end());
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  const int error =
      ::posix_spawnp(&run->pid, plugin.command.c_str(), &actions, nullptr, argv.data(), env.data());
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  if (error != 0) {
    ::close(ends[0]);
    run->pid = -1;
    return fail_later("cannot be run: " + std::string(std::strerror(error)) +
                      (plugin.install_hint.empty() ? "" : "; " + plugin.install_hint));
  }
  run->output.assign(ends[0]);
  const int process = open_process(run->pid);
  if (process < 0) return fail_later("cannot be waited for: this kernel has no pidfd_open");
  run->process.assign(process);
  run->timer.expires_after(limit_);
  run->timer.async_wait([run, limit = limit_](const boost::system::error_code& cancelled) {
    if (cancelled || run->ended) return;
    run->finish("did not end within " + std::to_string(limit.count() / 1000) + " s");
  });
  run->read();
}

}  // namespace clusterdns::registry::kubernetes
