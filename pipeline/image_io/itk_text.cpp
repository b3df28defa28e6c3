// "#Insight Transform File V1.0": lines "Key: values".
#include <charconv>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <string_view>

#include "pipeline/image_io/itk_parts.hpp"
#include "pipeline/image_io/itk_transform.hpp"
#include "pipeline/image_io/output_file.hpp"
#include "stages/core/error.hpp"

namespace boldmill::image_io {
namespace {

constexpr const char* kBanner = "#Insight Transform File V1.0";
constexpr std::uintmax_t kMostBytes = std::uintmax_t{64} << 20U; // 200 000 volumes

[[noreturn]] void fail(const std::string& name, const std::string& what) {
  throw Error(ErrorKind::input, name + ": " + what);
}

std::string text_of(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  std::error_code code;
  const std::uintmax_t bytes = std::filesystem::file_size(path, code);
  if (code) fail(name, "cannot be opened: " + code.message());
  if (bytes > kMostBytes) fail(name, "larger than 64 MiB, expected a text file of transforms");
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!(text << file.rdbuf()) || !file) fail(name, "cannot be read");
  return text.str();
}

std::vector<double> numbers(std::string_view text, const std::string& name) {
  constexpr std::size_t kMost = 64;
  std::vector<double> values;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    while (at != end && (*at == ' ' || *at == '\t')) ++at;
    if (at == end) return values;
    double value = 0.0;
    const auto parsed = std::from_chars(at, end, value);
    if (parsed.ec != std::errc{} || values.size() == kMost) {
      fail(name, "parameters \"" + std::string(text.substr(0, 60)) + "\", expected numbers");
    }
    values.push_back(value);
    at = parsed.ptr;
  }
}

// All transforms, without composites, which have no numbers of their own.
struct TextFile {
  std::vector<ItkLinear> transforms;
  bool composite = false;
};

TextFile parse(const std::string& text, const std::string& name) {
  if (!text.starts_with("#Insight Transform File V1")) {
    fail(name,
         std::string("not an ITK transform file, expected \"") + kBanner + "\" in its first line");
  }
  TextFile file;
  std::istringstream lines(text);
  bool open = false; // a transform that can have parameters
  for (std::string line; std::getline(lines, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    const std::size_t colon = line.find(':');
    if (line.empty() || line[0] == '#' || colon == std::string::npos) continue;
    const std::string key = line.substr(0, colon);
    const std::string_view rest = std::string_view(line).substr(colon + 1);
    if (key == "Transform") {
      const std::size_t start = rest.find_first_not_of(" \t");
      const std::string type(start == std::string_view::npos ? "" : rest.substr(start));
      open = itk_class(type, name) != "CompositeTransform";
      if (open) {
        file.transforms.push_back({type, {}, {}});
      } else {
        file.composite = true;
      }
    } else if (open && key == "Parameters") {
      file.transforms.back().parameters = numbers(rest, name);
    } else if (open && key == "FixedParameters") {
      file.transforms.back().fixed = numbers(rest, name);
    }
  }
  if (file.transforms.empty()) fail(name, "no transform found, expected at least one");
  return file;
}

void append(std::string& text, const std::vector<double>& values) {
  char buffer[32];
  for (const double value : values) {
    const auto written = std::to_chars(buffer, buffer + sizeof buffer, value);
    text += ' ';
    text.append(buffer, written.ptr);
  }
  text += '\n';
}

} // namespace

PointMap read_itk_text(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  const TextFile file = parse(text_of(path), name);
  if (file.transforms.size() > 1 && !file.composite) {
    fail(name, "found " + std::to_string(file.transforms.size()) +
                   " transforms that are no composite, expected one");
  }
  std::vector<PointMap::Step> steps;
  for (const ItkLinear& transform : file.transforms)
    steps.emplace_back(linear_map(transform, name));
  return composite_of(std::move(steps));
}

std::vector<Affine> read_affine_xfms(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  const TextFile file = parse(text_of(path), name);
  if (file.composite) fail(name, "found a composite, expected a list of linear transforms");
  std::vector<Affine> maps;
  for (const ItkLinear& transform : file.transforms) maps.push_back(linear_map(transform, name));
  return maps;
}

void write_affine_xfms(const std::filesystem::path& path, std::span<const Affine> maps) {
  std::string text = std::string(kBanner) + "\n";
  for (std::size_t n = 0; n < maps.size(); ++n) {
    text += "#Transform " + std::to_string(n) + "\nTransform: AffineTransform_double_3_3\n";
    text += "Parameters:";
    append(text, affine_parameters(maps[n]));
    text += "FixedParameters: 0 0 0\n\n";
  }
  OutputFile file(path);
  file.write(std::as_bytes(std::span(text)));
  file.commit();
}

} // namespace boldmill::image_io
