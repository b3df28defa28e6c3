// References of methods.md as BibTeX.
#pragma once

#include <string>
#include <vector>

namespace boldmill::report {

// Of "Author & Author 2001, Journal 1:2, doi:..." lines: one entry a DOI, with a key of author and
// year, and boldmill itself. Titles are not known here: the DOI leads to them.
[[nodiscard]] std::string bibtex_text(const std::vector<std::string>& references,
                                      const std::string& version);

} // namespace boldmill::report
