#include "pipeline/report/references.hpp"

#include <cctype>
#include <set>

namespace boldmill::report {
namespace {

struct Reference {
  std::string authors, year, place, doi;
};

bool is_year(const std::string& text, std::size_t at) {
  if (at + 4 > text.size() || (text.compare(at, 2, "19") != 0 && text.compare(at, 2, "20") != 0)) {
    return false;
  }
  const auto digit = [&text](std::size_t i) {
    return i < text.size() && std::isdigit(static_cast<unsigned char>(text[i])) != 0;
  };
  return digit(at + 2) && digit(at + 3) && !digit(at + 4);
}

Reference parsed(const std::string& line) {
  Reference out;
  const std::size_t doi = line.find("doi:");
  if (doi != std::string::npos) out.doi = line.substr(doi + 4);
  std::string head = line.substr(0, doi);
  while (!head.empty() && (head.back() == ' ' || head.back() == ',')) head.pop_back();
  std::size_t at = 0;
  while (at < head.size() && !(at > 0 && head[at - 1] == ' ' && is_year(head, at))) ++at;
  if (at >= head.size()) {
    out.place = head;
    return out;
  }
  out.authors = head.substr(0, at - 1);
  out.year = head.substr(at, 4);
  const std::size_t rest = head.find_first_not_of(", ", at + 4);
  if (rest != std::string::npos) out.place = head.substr(rest);
  return out;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

// "Zhang, Brady & Smith", "Tustison et al." -> BibTeX's list of names.
std::string names(const std::string& authors) {
  std::string text = replaced(authors, " et al.", " and others");
  text = replaced(text, " & ", " and ");
  return replaced(text, ", ", " and ");
}

std::string key_of(const Reference& reference, std::set<std::string>& taken) {
  std::string key;
  for (const char c : reference.authors) {
    if (std::isalpha(static_cast<unsigned char>(c)) == 0) break;
    key += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  key = (key.empty() ? "reference" : key) + reference.year;
  std::string free = key;
  for (char letter = 'b'; !taken.insert(free).second; ++letter) free = key + letter;
  return free;
}

} // namespace

std::string bibtex_text(const std::vector<std::string>& references, const std::string& version) {
  std::string text = "@software{boldmill,\n  author = {{The boldmill developers}},\n"
                     "  title = {boldmill: from BIDS cohorts to personal brain-circuit scores and "
                     "cross-validated predictions},\n  version = {" +
                     version + "}\n}\n";
  std::set<std::string> keys{"boldmill"}, seen;
  for (const std::string& line : references) {
    const Reference one = parsed(line);
    if (!seen.insert(one.doi.empty() ? line : one.doi).second) continue;
    text += "\n@misc{" + key_of(one, keys) + ",\n";
    if (!one.authors.empty()) text += "  author = {" + names(one.authors) + "},\n";
    if (!one.year.empty()) text += "  year = {" + one.year + "},\n";
    if (!one.place.empty()) text += "  howpublished = {" + replaced(one.place, "&", "\\&") + "},\n";
    if (!one.doi.empty()) text += "  doi = {" + one.doi + "},\n";
    text += "  note = {in methods.md as: " + replaced(line, "&", "\\&") + "}\n}\n";
  }
  return text;
}

} // namespace boldmill::report
