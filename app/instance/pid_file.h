// The file that says which process serves.
#pragma once

#include <string>

namespace clusterdns::app {

// Holds the id of this process while this lives. A new file, renamed into its place: a link that
// stands there is replaced and not followed.
class PidFile {
 public:
  // An empty path means none. Throws std::runtime_error when the file cannot be written.
  explicit PidFile(std::string path);
  // Removes the file, unless it is another process's by now.
  ~PidFile();
  PidFile(const PidFile&) = delete;
  PidFile& operator=(const PidFile&) = delete;

 private:
  std::string path_;
  std::string content_;
};

}  // namespace clusterdns::app
