#include "pipeline/graph/output_spaces.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include "pipeline/bids/text.hpp"
#include "pipeline/graph/target_space.hpp"

namespace boldmill::graph {
namespace {

constexpr double kFinestMm = 0.5;
constexpr double kCoarsestMm = 8.0;
constexpr double kAnatMm = 1.0; // templates finer than this would double every file

std::string shortest(double value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  return {text, end};
}

bool is_surface(const std::string& name) { return name.starts_with("fs"); }

// Empty when the token can be meant, else why not.
std::string parse(const std::string& token, OutputSpace& space) {
  const std::size_t colon = token.find(':');
  space.space = token.substr(0, colon);
  const std::string& name = space.space;
  if (name == "T1w" || name == "anat") {
    space.kind = OutputSpace::Kind::t1w;
    space.space = "T1w";
  } else if (name == "boldref" || name == "func") {
    space.kind = OutputSpace::Kind::boldref;
    space.space = "boldref";
  } else if (is_surface(name)) {
    return "surfaces are not made here";
  } else if (space_label(name) != name || name.empty()) {
    return "expected T1w, boldref or the space of a template";
  }
  if (colon == std::string::npos) return {};
  const std::string rest = token.substr(colon + 1);
  if (!rest.starts_with("res-")) return "expected :res-<mm> after the space";
  const char* const end = rest.data() + rest.size();
  const auto parsed = std::from_chars(rest.data() + 4, end, space.spacing_mm);
  if (parsed.ec != std::errc{} || parsed.ptr != end ||
      !(space.spacing_mm >= kFinestMm && space.spacing_mm <= kCoarsestMm)) {
    return "expected :res-<mm> with 0.5 to 8 mm";
  }
  if (space.kind == OutputSpace::Kind::boldref) return "boldref has the run's own resolution";
  return {};
}

Grid grid_over(const Grid& grid, double spacing_mm) {
  const bool same = (grid.spacing_mm().array() - spacing_mm).abs().maxCoeff() < 1e-6;
  return same ? grid : regular_grid_over(grid, spacing_mm);
}

std::string list_of(const std::vector<spaces::TemplateInfo>& templates) {
  std::vector<std::string> names;
  for (const auto& info : templates) {
    const std::string label = space_label(info.space);
    if (std::find(names.begin(), names.end(), label) == names.end()) names.push_back(label);
  }
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "none" : text;
}

} // namespace

std::string space_label(const std::string& space) {
  std::string label;
  for (const char c : space) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) label += c;
  }
  return label;
}

std::string OutputSpace::entities() const {
  if (kind == Kind::boldref) return {};
  std::string text = "_space-" + space;
  if (spacing_mm > 0.0) {
    std::string label = shortest(spacing_mm);
    std::replace(label.begin(), label.end(), '.', 'p');
    text += "_res-" + label;
  }
  return text;
}

std::vector<OutputSpace> parse_output_spaces(const std::vector<std::string>& tokens) {
  std::vector<OutputSpace> spaces;
  std::string problems;
  for (const std::string& token : tokens) {
    OutputSpace space;
    const std::string why = parse(token, space);
    if (!why.empty()) {
      problems += "\n  found " + bids::display(token) + ": " + why;
      continue;
    }
    const bool known = std::any_of(spaces.begin(), spaces.end(), [&](const OutputSpace& other) {
      return other.kind == space.kind && other.entities() == space.entities();
    });
    if (!known) spaces.push_back(std::move(space));
  }
  if (!problems.empty()) throw Error(ErrorKind::usage, "--output-spaces:" + problems);
  return spaces;
}

void prepare_output_spaces(Study& study, const Context& context) {
  const auto templates = installed_templates(study.config);
  const spaces::TemplateInfo target = target_template(study.config, templates);
  const std::string target_label = space_label(study.target.space);
  if (study.output_spaces.empty()) study.output_spaces.push_back({.space = target_label});
  for (OutputSpace& output : study.output_spaces) {
    if (output.kind != OutputSpace::Kind::standard) continue;
    Grid brain = study.target.brain.grid;
    output.reference = study.target.name;
    if (output.space != target_label) {
      const auto found = std::find_if(templates.begin(), templates.end(), [&](const auto& info) {
        return space_label(info.space) == output.space;
      });
      if (found == templates.end()) {
        throw Error(ErrorKind::usage, "--output-spaces: found " + bids::display(output.space) +
                                          ", expected T1w, boldref or one of the templates here: " +
                                          list_of(templates));
      }
      const spaces::SpaceMap map =
          template_warp(study.config, study.cache, *found, target, context);
      output.to_target = map.from_to_to;
      output.from_target = map.to_to_from;
      output.reference = found->name;
      brain = spaces::load_template(*found, context).brain.grid;
    }
    const double own = brain.spacing_mm().minCoeff();
    const double asked = output.spacing_mm;
    output.anat_grid = grid_over(brain, asked > 0.0 ? asked : std::max(own, kAnatMm));
    output.bold_grid = asked > 0.0 ? output.anat_grid
                       : output.space == target_label
                           ? study.target.grid
                           : regular_grid_over(brain, study.config.target.spacing_mm);
  }
}

} // namespace boldmill::graph
