#include "app/commands/pages.h"

#include <algorithm>

#include <fmt/format.h>

#include "app/base/version.h"
#include "app/commands/coredns_flags.h"

namespace clusterdns::app {
namespace {

// CoreDNS's and node-cache's command line, which is no command.
std::string coredns_options() {
  std::string text;
  for (const CoreDnsFlag& flag : kCoreDnsFlags) text += "-" + std::string(flag.name) + " ";
  for (const CoreDnsFlag& flag : kNodeCacheFlags) text += "-" + std::string(flag.name) + " ";
  return text + "-help";
}

bool is_file(const OptionPage& option) {
  return option.type == "FILE" || option.type == "[FILE]" || option.type == "PATH" ||
         option.type == "DIR" ||
         (option.word && (option.names.front() == "PATH" || option.names.front() == "FILE"));
}

std::string joined(std::span<const std::string> words, std::string_view between) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : std::string(between)) + word;
  return text;
}

// ---- troff --------------------------------------------------------------------------------------

// Text of one line: dashes that can be copied, and no line that is a request.
std::string troff(std::string_view text) {
  std::string result;
  if (text.starts_with('.') || text.starts_with('\'')) result = "\\&";
  for (const char c : text) {
    switch (c) {
      case '\\': result += "\\e"; break;
      case '-': result += "\\-"; break;
      case '`': result += "\\(ga"; break;
      case '~': result += "\\(ti"; break;
      case '^': result += "\\(ha"; break;
      case '\'': result += "\\(aq"; break;
      default: result += c;
    }
  }
  return result;
}

std::string troff_lines(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.starts_with("  ")) line.remove_prefix(2);
    result += troff(line) + "\n";
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return result;
}

std::string heading(const OptionPage& option) {
  std::string text;
  for (const std::string& name : option.names) {
    text += (text.empty() ? "" : ", ") + std::string(option.word ? "\\fI" : "\\fB") + troff(name) +
            "\\fR";
  }
  if (!option.type.empty()) text += " \\fI" + troff(option.type) + "\\fR";
  return text;
}

std::string flag_rows(std::span<const CoreDnsFlag> flags) {
  std::string text;
  for (const CoreDnsFlag& flag : flags) {
    OptionPage option;
    option.names = {"-" + std::string(flag.name)};
    option.type = flag.type;
    text += ".TP\n" + heading(option) + "\n" + troff(flag.description) + ".\n";
  }
  return text;
}

// ---- shells -------------------------------------------------------------------------------------

std::string in_single_quotes(std::string_view text) {
  std::string result = "'";
  for (const char c : text) {
    if (c == '\'') {
      result += "'\\''";
    } else {
      result += c;
    }
  }
  return result + "'";
}

std::string bash(std::span<const CommandPage> commands) {
  std::string names = "help";
  for (const CommandPage& command : commands) names += " " + command.name;
  std::string text =
      "# Completion of clusterdns for bash.\n"
      "_clusterdns() {\n"
      "  local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words= "
      "files=\n"
      "  COMPREPLY=()\n"
      "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
      "    mapfile -t COMPREPLY < <(compgen -W '" +
      names + " " + coredns_options() +
      "' -- \"$current\")\n"
      "    return\n"
      "  fi\n"
      "  case ${COMP_WORDS[1]} in\n";
  for (const CommandPage& command : commands) {
    text += "    " + command.name + ")\n      case $before in\n";
    std::string options;
    bool files = false;
    for (const OptionPage& option : command.options) {
      if (option.word) {
        files = files || is_file(option);
        for (const std::string& choice : choices_of(option)) options += " " + choice;
        continue;
      }
      options += " " + joined(option.names, " ");
      if (option.type.empty()) continue;
      text += "        " + joined(option.names, " | ") + ") ";
      if (const auto choices = choices_of(option); !choices.empty()) {
        text += "words='" + joined(choices, " ") + "' ;;\n";
      } else {
        text += is_file(option) ? "files=yes ;;\n" : "return ;;\n";
      }
    }
    text += "        *) words='" + options.substr(options.empty() ? 0 : 1) + "'" +
            (files ? " files=yes" : "") + " ;;\n      esac\n      ;;\n";
  }
  return text + "    help) words='" + names +
         "' ;;\n"
         "    -*) files=yes ;;\n"
         "  esac\n"
         "  mapfile -t COMPREPLY < <(\n"
         "    compgen -W \"$words\" -- \"$current\"\n"
         "    [ -z \"$files\" ] || compgen -f -- \"$current\"\n"
         "  )\n"
         "  [ -z \"$files\" ] || compopt -o filenames 2>/dev/null\n"
         "}\n"
         "complete -F _clusterdns clusterdns\n";
}

// A description inside of [ ] of _arguments.
std::string zsh_text(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') result += '\\';
    result += c;
  }
  return result;
}

std::string zsh(std::span<const CommandPage> commands) {
  std::string text =
      "#compdef clusterdns\n"
      "_clusterdns() {\n"
      "  local -a commands\n"
      "  commands=(\n";
  for (const CommandPage& command : commands) {
    text += "    " + in_single_quotes(command.name + ":" + zsh_text(command.description)) + "\n";
  }
  text +=
      "    'help:Print the help of a command'\n"
      "  )\n"
      "  if (( CURRENT == 2 )); then\n"
      "    _describe command commands\n"
      "    _values option " +
      coredns_options() +
      "\n"
      "    return\n"
      "  fi\n"
      "  local command=$words[2]\n"
      "  shift words\n"
      "  (( CURRENT-- ))\n"
      "  case $command in\n";
  for (const CommandPage& command : commands) {
    text += "    " + command.name + ")\n      _arguments";
    for (const OptionPage& option : command.options) {
      std::string value;
      if (option.word || !option.type.empty()) {
        const auto choices = choices_of(option);
        value = ":" + zsh_text(option.word ? option.names.front() : option.type) + ":";
        if (!choices.empty()) {
          value += "(" + joined(choices, " ") + ")";
        } else if (is_file(option)) {
          value += "_files";
        }
      }
      if (option.word) {
        text += " \\\n        " + in_single_quotes("*" + value);
        continue;
      }
      for (const std::string& name : option.names) {
        text += " \\\n        " + in_single_quotes("*" + name + "[" + zsh_text(option.description) +
                                                   "]" + (option.optional ? ":" : "") + value);
      }
    }
    text += "\n      ;;\n";
  }
  return text +
         "    help) _describe command commands ;;\n"
         "    -*) _files ;;\n"
         "  esac\n"
         "}\n"
         "_clusterdns \"$@\"\n";
}

std::string fish(std::span<const CommandPage> commands) {
  std::string text = "# Completion of clusterdns for fish.\ncomplete -c clusterdns -f\n";
  const std::string first = "complete -c clusterdns -n __fish_use_subcommand -a ";
  for (const CommandPage& command : commands) {
    text += first + command.name + " -d " + in_single_quotes(command.description) + "\n";
  }
  text += first + "help -d 'Print the help of a command'\n";
  for (const CommandPage& command : commands) {
    const std::string line =
        "complete -c clusterdns -n '__fish_seen_subcommand_from " + command.name + "'";
    for (const OptionPage& option : command.options) {
      const auto choices = choices_of(option);
      std::string more;
      if (!choices.empty()) {
        more = " -a " + in_single_quotes(joined(choices, " "));
      } else if (is_file(option)) {
        more = " -F";
      }
      if (option.word) {
        if (!more.empty()) text += line + more + "\n";
        continue;
      }
      std::string names;
      for (const std::string& name : option.names) {
        names += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      }
      const bool value = !option.type.empty() && !option.optional;
      text += line + names + (value ? " -r" : "") + more + " -d " +
              in_single_quotes(option.description) + "\n";
    }
  }
  return text;
}

}  // namespace

std::vector<std::string> choices_of(const OptionPage& option) {
  const std::string& kind = option.word ? option.names.front() : option.type;
  if (kind != "FORMAT" && kind != "MODE" && kind != "BACKEND" && kind != "SHELL") return {};
  std::string_view text = option.description;
  if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
    text.remove_prefix(colon + 1);
  }
  text = text.substr(0, text.find(" ["));
  std::vector<std::string> choices;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.find(" or "));
    std::string_view part = text.substr(0, comma);
    for (const std::string_view before : {" ", "or "}) {
      if (part.starts_with(before)) part.remove_prefix(before.size());
    }
    part = part.substr(0, part.find(' '));
    // Shells expand these: words that mean nothing to them, and no others.
    const bool plain = std::all_of(part.begin(), part.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
    });
    if (plain && !part.empty()) choices.emplace_back(part);
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + (text[comma] == ',' ? 1 : 4));
  }
  return choices;
}

std::string man_page(std::span<const CommandPage> commands) {
  std::string text = fmt::format(
      ".TH CLUSTERDNS 1 \"\" \"clusterdns {}\" \"clusterdns\"\n"
      ".SH NAME\n"
      "clusterdns \\- DNS server for Kubernetes clusters\n"
      ".SH SYNOPSIS\n"
      ".B clusterdns\n"
      "\\fICOMMAND\\fR [\\fIOPTIONS\\fR]\n"
      ".br\n"
      ".B clusterdns\n"
      "\\fB\\-conf\\fR \\fICorefile\\fR [\\fB\\-dns.port\\fR \\fIPORT\\fR] "
      "[\\fB\\-log\\-format\\fR \\fIFORMAT\\fR] [\\fB\\-pidfile\\fR \\fIFILE\\fR] "
      "[\\fB\\-plugins\\fR] [\\fB\\-quiet\\fR] [\\fB\\-strict\\fR] [\\fB\\-version\\fR]\n"
      ".SH DESCRIPTION\n"
      "clusterdns answers the names of a Kubernetes cluster: from plain manifests on a laptop or "
      "in\n"
      "a test, and from the Kubernetes API as a drop\\-in for CoreDNS. The second form is "
      "CoreDNS\\(aqs\n"
      "command line; without \\fB\\-conf\\fR it reads ./Corefile.\n"
      ".SH COMMANDS\n",
      troff(version_number()));
  for (const CommandPage& command : commands) {
    text += ".SS " + troff(command.name) + "\n" + troff(command.description) + ".\n";
    for (const OptionPage& option : command.options) {
      text += ".TP\n" + heading(option) + "\n" + troff(option.description) + ".\n";
    }
    if (command.examples.empty()) continue;
    text += ".PP\nExamples:\n.PP\n.RS\n.nf\n" + troff_lines(command.examples) + ".fi\n.RE\n";
  }
  text +=
      ".SH OPTIONS OF COREDNS\n" + flag_rows(kCoreDnsFlags) +
      ".SH OPTIONS OF NODE\\-CACHE\n"
      "Any of these, or the name \\fBnode\\-cache\\fR of the program, makes it the node\\-cache "
      "of\nNodeLocal DNSCache.\n" +
      flag_rows(kNodeCacheFlags);
  return text +
         ".SH EXIT STATUS\n"
         "0 when all went well, 1 when something did not, 2 for a wrong command line.\n"
         ".SH FILES\n"
         ".TP\n\\fI/etc/clusterdns/Corefile\\fR\nWhat the service reads.\n"
         ".TP\n\\fI/var/lib/clusterdns/setup\\fR\nWhat \\fBsetup\\fR changed, for "
         "\\fBunsetup\\fR.\n";
}

std::string completion(std::string_view shell, std::span<const CommandPage> commands) {
  if (shell == "bash") return bash(commands);
  if (shell == "zsh") return zsh(commands);
  return fish(commands);
}

}  // namespace clusterdns::app
