#include "app/commands/run_server.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "app/base/version.h"
#include "app/corefile/error.h"
#include "app/instance/drain.h"
#include "app/instance/instance.h"
#include "app/instance/last_words.h"
#include "app/instance/memory_reserve.h"
#include "app/instance/pid_file.h"
#include "app/instance/reloader.h"
#include "app/instance/signals.h"
#include "app/log/logging.h"
#include "registry/kubernetes/exec_plugin.h"

namespace clusterdns::app {
namespace {

// Exit code after a second SIGINT; CoreDNS's.
constexpr int kForced = 2;

std::string listen_text(const dns::ListenAddress& listen) {
  const std::string text = listen.address.to_string();
  return (listen.address.is_v6() ? "[" + text + "]" : text) + ":" + std::to_string(listen.port);
}

// The soft limit of descriptors is 1,024 as a rule, for the sake of programs that use select(2);
// this one does not. Go programs do the same.
void raise_descriptor_limit() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  registry::kubernetes::set_plugin_open_files(limit.rlim_cur);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int run_server(const RunOptions& options) {
  // A peer that closes its connection is no reason to die.
  std::signal(SIGPIPE, SIG_IGN);
  end_with_last_words(options.log_format);
  keep_memory_reserve();
  raise_descriptor_limit();
  const auto logger = make_logger(options.log_format);
  auto io_owner = std::make_unique<boost::asio::io_context>(1);
  std::function<void(int)> on_signal;
  std::optional<Signals> signals;
  int code = 0;
  try {
    boost::asio::io_context& io = *io_owner;
    // From here on no signal kills by default.
    signals.emplace(io, logger, [&on_signal](int number) { on_signal(number); });
    InstanceOptions instance_options;
    instance_options.strict = options.strict;
    instance_options.dns_port = options.dns_port;
    instance_options.log_format = options.log_format;
    NodeCache* const node = options.node_cache.get();
    if (node != nullptr) instance_options.metrics_address = node->options().metrics_address;
    std::string fatal;
    instance_options.fatal = [&io, &fatal](const std::string& message) {
      boost::asio::post(io, [&io, &fatal, message] {
        fatal = message;
        io.stop();
      });
    };
    Instance instance(io, logger, instance_options);
    if (node != nullptr) {
      instance.metrics().add([errors = node->errors()](Exposition& out) { errors->collect(out); });
      node->begin(io, logger);
    }
    // However it ends, before what it stands on.
    const auto take_down = std::unique_ptr<NodeCache, void (*)(NodeCache*)>(
        node, [](NodeCache* node_cache) { node_cache->end(); });
    Reloader reloader(io, logger, options.read, options.from_file, instance,
                      node != nullptr && node->options().follow);
    // As CoreDNS: bare lines, unless all of the output has to be JSON.
    const auto announce = [&](std::string_view lines) {
      while (!lines.empty()) {
        const std::size_t end = std::min(lines.find('\n'), lines.size());
        log_bare(*logger, lines.substr(0, end));
        lines.remove_prefix(std::min(end + 1, lines.size()));
      }
    };
    reloader.on_served([&, announce] {
      // Before anybody is told: who reads that it listens may ask it to end, and gets the drain.
      signals->started();
      if (node != nullptr) node->served();
      if (!options.announce) return;
      for (const std::string& line : instance.key_lines()) announce(line);
      for (const auto& listen : instance.listening()) {
        logger->info("Listening on {} ({})", listen_text(listen),
                     listen.https ? "https"
                     : listen.tls ? "tls"
                                  : "udp, tcp");
      }
      for (const std::string& line : instance.http_lines()) logger->info("Serving {}", line);
    });
    instance.set_origin({options.text, [&reloader] { return reloader.error(); },
                         [&reloader] {
                           reloader.reload();
                           return reloader.error();
                         }});
    reloader.start();
    std::optional<PidFile> pidfile(std::in_place, options.pidfile);
    if (options.announce) announce(version_lines());

    Drain drain(io, logger, instance, [&io] { io.stop(); });
    on_signal = [&](int number) {
      const char* const name = Signals::name(number);
      if (!Signals::ends(number)) {
        if (number == SIGUSR2) return logger->info("SIGUSR2: {}", instance.figures());
        logger->info("{}: Reloading", name);
        return reloader.reload();
      }
      if (number == SIGQUIT || drain.has_begun()) {
        // As CoreDNS: who asks twice does not want to wait.
        logger->info("{}: {}", name,
                     drain.has_begun() ? "Force quit" : "Quitting process immediately");
        if (drain.has_begun() && number == SIGINT) code = kForced;
        reloader.stop();
        return io.stop();
      }
      logger->info("{}: {}", name,
                   number == SIGINT ? "Shutting down" : "Shutting down servers then terminating");
      signals->must_end_within(instance.plan().drain_most() + Signals::kCleanUp, code);
      reloader.stop();
      drain.begin();
    };
    io.run();
    // First of all, for the rest may take its time, and then it is cut short.
    pidfile.reset();
    if (!fatal.empty()) code = 1;
    signals->must_end_within(Signals::kCleanUp, code);
    // While it still answers what is on its way.
    if (node != nullptr) node->end();
    instance.stop();
    if (!fatal.empty()) logger->critical("{}", fatal);
    logger->flush();
  } catch (const std::bad_alloc&) {
    // Of the control thread, which would not know what it has left half done.
    code = kOutOfMemory;
    logger->flush();
    say_out_of_memory(options.log_format);
  } catch (const std::exception& e) {
    code = 1;
    logger->flush();
    write_last_words(STDERR_FILENO, fatal_line(options.log_format, e.what()) + "\n");
  }
  if (signals) {
    // Threads of libraries may wait for the outside, as that of Asio for a name server.
    signals->detach();
    signals->must_end_within(Signals::kCleanUp, code);
  }
  io_owner.reset();
  return code;
}

}  // namespace clusterdns::app
