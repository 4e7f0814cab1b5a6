#include "app/commands/run_server.h"

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <iostream>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>

#include "app/corefile/error.h"
#include "app/drain.h"
#include "app/instance.h"
#include "app/logging.h"
#include "app/reloader.h"
#include "app/version.h"

namespace clusterdns::app {
namespace {

// Exit code after a second SIGINT; CoreDNS's.
constexpr int kForced = 2;

std::string listen_text(const dns::ListenAddress& listen) {
  const std::string text = listen.address.to_string();
  return (listen.address.is_v6() ? "[" + text + "]" : text) + ":" + std::to_string(listen.port);
}

class PidFile {
 public:
  explicit PidFile(std::string path) : path_(std::move(path)) {
    if (path_.empty()) return;
    std::ofstream out(path_, std::ios::trunc);
    out << ::getpid() << "\n";
    out.close();
    if (!out) throw std::runtime_error("cannot write the pid file '" + path_ + "'");
  }
  ~PidFile() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  PidFile(const PidFile&) = delete;
  PidFile& operator=(const PidFile&) = delete;

 private:
  std::string path_;
};

}  // namespace

int run_server(const RunOptions& options) {
  // A peer that closes its connection is no reason to die.
  std::signal(SIGPIPE, SIG_IGN);
  boost::asio::io_context io(1);
  const auto logger = make_logger(options.log_format);
  // From here on no signal kills by default: one that comes early waits for the handlers below.
  boost::asio::signal_set ends(io, SIGTERM, SIGINT);
  boost::asio::signal_set reloads(io, SIGHUP, SIGUSR1);
  try {
    InstanceOptions instance_options;
    instance_options.dns_port = options.dns_port;
    instance_options.log_format = options.log_format;
    std::string fatal;
    instance_options.fatal = [&io, &fatal](const std::string& message) {
      boost::asio::post(io, [&io, &fatal, message] {
        fatal = message;
        io.stop();
      });
    };
    Instance instance(io, logger, instance_options);
    Reloader reloader(io, logger, options.read, instance);
    // As CoreDNS: bare lines, unless all of the output has to be JSON.
    const auto announce = [&](std::string lines) {
      if (options.log_format == LogFormat::Text) {
        std::cout << lines << std::flush;
        return;
      }
      if (lines.ends_with('\n')) lines.pop_back();
      logger->info("{}", lines);
    };
    reloader.on_served([&, announce] {
      if (options.announce) {
        std::string lines;
        for (const std::string& line : instance.key_lines()) lines += line + "\n";
        announce(lines);
      }
      for (const auto& listen : instance.listening()) {
        logger->info("Listening on {} (udp, tcp)", listen_text(listen));
      }
      for (const std::string& line : instance.http_lines()) logger->info("Serving {}", line);
    });
    reloader.start();
    const PidFile pidfile(options.pidfile);
    if (options.announce) announce(version_lines());

    Drain drain(io, logger, instance, [&io] { io.stop(); });
    int code = 0;
    std::function<void(const boost::system::error_code&, int)> on_end =
        [&](const boost::system::error_code& error, int signal) {
          if (error) return;
          if (drain.has_begun()) {
            // As CoreDNS: who asks twice does not want to wait.
            logger->info("{}: Force quit", signal == SIGTERM ? "SIGTERM" : "SIGINT");
            code = signal == SIGINT ? kForced : 0;
            io.stop();
            return;
          }
          logger->info("{}", signal == SIGTERM ? "SIGTERM: Shutting down servers then terminating"
                                               : "SIGINT: Shutting down");
          reloader.stop();
          drain.begin();
          ends.async_wait(on_end);
        };
    ends.async_wait(on_end);
    std::function<void(const boost::system::error_code&, int)> on_reload =
        [&](const boost::system::error_code& error, int signal) {
          if (error) return;
          logger->info("{}: Reloading", signal == SIGHUP ? "SIGHUP" : "SIGUSR1");
          reloader.reload();
          reloads.async_wait(on_reload);
        };
    reloads.async_wait(on_reload);
    io.run();
    instance.stop();
    if (fatal.empty()) return code;
    logger->critical("{}", fatal);
    return 1;
  } catch (const std::exception& e) {
    logger->flush();
    std::cerr << fatal_line(options.log_format, e.what()) << "\n";
    return 1;
  }
}

}  // namespace clusterdns::app
