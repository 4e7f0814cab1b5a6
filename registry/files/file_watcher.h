// Tells when something below some paths may have changed.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace clusterdns::registry {

// An editor's save is a burst of events; this long without another one ends it.
inline constexpr std::chrono::milliseconds kWatchQuiet{15};
// The same while a file is being written and not closed yet, so that half a file is rarely read.
inline constexpr std::chrono::milliseconds kWatchOpenQuiet{40};
// A burst without end is cut here: with reading, an edit must show within 100 ms.
inline constexpr std::chrono::milliseconds kWatchLongest{60};
// How often to look where the kernel does not tell.
inline constexpr std::chrono::seconds kWatchPollInterval{2};

// inotify on folders (recursive), on single files and their folders, and on every folder that a
// symbolic link on the way stands in or leads to: rename-over by an editor, the `..data` swap of a
// mounted ConfigMap, files and folders that come and go are all seen. Where inotify has no watches
// left, it falls back to looking every kWatchPollInterval.
//
// All calls and callbacks on the thread that runs the io_context.
class FileWatcher {
 public:
  // `changed` means "look again"; it may come without a change. `warning` gets at most one
  // sentence, when the fallback begins.
  FileWatcher(boost::asio::io_context& io, std::vector<std::filesystem::path> paths,
              std::function<void()> changed, std::function<void(const std::string&)> warning);
  // As stop(); no callback comes afterwards.
  ~FileWatcher();
  FileWatcher(const FileWatcher&) = delete;
  FileWatcher& operator=(const FileWatcher&) = delete;

  // Returns with the watches in place.
  void start();
  void stop();

  // False after the fallback to polling.
  [[nodiscard]] bool uses_inotify() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace clusterdns::registry
