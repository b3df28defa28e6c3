#include <sstream>

#include "pipeline/cli/help_command.hpp"
#include "pipeline/cli/help_text.hpp"
#include "pipeline/config/config.hpp"

namespace boldmill::cli {
namespace {

// Text that troff leaves as it is.
std::string quoted(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else if (c == '\n')
      out += ' ';
    else
      out += c;
  }
  if (!out.empty() && (out[0] == '.' || out[0] == '\'')) out.insert(0, "\\&");
  return out;
}

std::string entry(const std::string& name, const std::string& value, const std::string& text) {
  return ".TP\n.BR \"" + quoted(name) + "\"" +
         (value.empty() ? "" : " \" " + quoted(value) + "\"") + "\n" + quoted(text) + "\n";
}

std::string names_of(const CLI::Option& option) {
  return option.get_positional() ? option.get_name(true, false) : option.get_name(false, true);
}

std::string options_of(const CLI::App& app) {
  std::string out;
  for (const CLI::Option* option : app.get_options()) {
    const std::string name = names_of(*option);
    if (name == "-h,--help") continue;
    std::string value = value_text(*option);
    if (!value.empty() && !option->get_default_str().empty()) {
      value += " (default " + option->get_default_str() + ")";
    }
    out += entry(name, value, option->get_description());
  }
  return out;
}

std::string verbs_of(const CLI::App& app) {
  std::string out = ".SH VERBS\n";
  for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; })) {
    out += ".SS " + quoted(verb->get_name()) + "\n" + quoted(verb->get_description()) + "\n" +
           options_of(*verb);
    for (const CLI::App* inner : verb->get_subcommands([](const CLI::App*) { return true; })) {
      out += entry(inner->get_name(), "", inner->get_description());
      if (verb->get_name() != "stage") out += ".RS\n" + options_of(*inner) + ".RE\n";
    }
  }
  return out;
}

std::string keys() {
  std::string out =
      ".SH CONFIGURATION\nOne JSON file, comments allowed; a key on the command line: "
      "\\-\\-set section.key=value. Layers: defaults, \\-\\-preset, \\-\\-config, "
      "\\-\\-set; the last one holds. boldmill config explain KEY says the same.\n";
  const config::Config defaults;
  config::for_each_section(defaults, [&](std::string_view section, const auto& params,
                                         std::string_view summary) {
    out += ".SS " + quoted(std::string(section)) + "\n" + quoted(std::string(summary)) + "\n";
    for_each_field(params, [&](std::string_view key, const auto& value, std::string_view unit,
                               std::string_view help, const Limits&) {
      out +=
          entry(std::string(section) + "." + std::string(key),
                "= " + config::Json(value).dump() + (unit.empty() ? "" : " " + std::string(unit)),
                std::string(help));
    });
  });
  return out;
}

constexpr const char* kHead =
    ".TH BOLDMILL 1 \"\" \"boldmill " BOLDMILL_VERSION "\" \"User Commands\"\n"
    ".nh\n.ad l\n"
    ".SH NAME\nboldmill \\- brain\\-circuit scores and cross\\-validated predictions from BIDS "
    "cohorts\n"
    ".SH SYNOPSIS\n.B boldmill\nBIDS_DIR OUTPUT_DIR {participant,group,all} [options]\n.br\n"
    ".B boldmill\nVERB [options]\n"
    ".SH DESCRIPTION\nReads a BIDS dataset of MRI, or fMRIPrep's derivatives of one, and writes "
    "region series, connectivity, circuit measures, scores, biotypes and predictions to one HDF5 "
    "file, with tables and pages beside it. Without a verb, run is understood. Research use only: "
    "not a medical device.\n";

constexpr const char* kTail =
    ".SH EXIT STATUS\n.TP\n0\nall done\n.TP\n1\nfinished, some runs failed or were left out: each "
    "is "
    "named with its reason; or \\-\\-verify found a difference\n.TP\n2\nusage, configuration or "
    "dataset "
    "error, found before work began\n.TP\n3\ninterrupted; the same command continues\n.TP\n4\ndisk "
    "full or internal error; the same command continues\n"
    ".SH ENVIRONMENT\n.TP\nBOLDMILL_DATA, BOLDMILL_CONFIGS\nfolders with templates and with "
    "presets, before those of the installation\n.TP\nTEMPLATEFLOW_HOME\ntemplates and atlases of "
    "TemplateFlow\n.TP\nNO_COLOR\nwhen it is not empty, nothing is coloured\n"
    ".SH FILES\n.TP\nOUTPUT_DIR/index.html\nwhat to open first\n.TP\nOUTPUT_DIR/cohort.h5\n"
    "everything\n.TP\nOUTPUT_DIR/tables\nthe same as TSV\n.TP\nOUTPUT_DIR/methods.md, "
    "references.bib\nwhat was done, for a paper\n";

} // namespace

std::string man_page(const CLI::App& app) { return kHead + verbs_of(app) + keys() + kTail; }

} // namespace boldmill::cli
