// Building pages: text is escaped on its way in, data for charts cannot end its block, and the
// frame forbids what a page does not need. Internal.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pipeline/report/files.hpp"

namespace boldmill::report {

// "" for NaN.
[[nodiscard]] std::string number(double value, const char* format = "%.2f");
// Six significant digits: what a chart can show.
[[nodiscard]] double short_number(double value);
[[nodiscard]] Json short_numbers(const std::vector<double>& values);

// "calibration_slope" is a name for programs: with spaces.
[[nodiscard]] std::string plain_words(std::string name);

// JSON for a <script type="application/json">: ASCII, without < > &; NaN is null.
[[nodiscard]] std::string inert_json(const Json& json);
// For the href of a page in the same folder.
[[nodiscard]] std::string page_href(const std::string& file);

struct Column {
  std::string name;
  std::string what;    // explanation, shown on demand
  bool choice = false; // few values: gets a list to choose from
};
struct Cell {
  Cell(std::string t = "", std::string h = "") : text(std::move(t)), href(std::move(h)) {}
  Cell(const char* t) : text(t) {}
  std::string text, href;
};

// A table that is complete without scripts; with them it sorts, filters and shows pages of rows.
class Table {
public:
  Table(std::string caption, std::vector<Column> columns);
  // kind: class of the row; id: data-run, "" without.
  void row(const std::vector<Cell>& cells, const std::string& kind = "",
           const std::string& id = "");
  [[nodiscard]] std::size_t n_rows() const { return n_rows_; }
  [[nodiscard]] std::string html() const;

private:
  std::string head_, body_;
  std::size_t n_rows_ = 0;
};

class Page {
public:
  void begin_section(const std::string& id, const std::string& title,
                     const std::string& what_it_shows = "");
  void end_section();
  void heading(const std::string& text);
  // Of paragraphs, items and summaries: text between two backticks is shown as code.
  void paragraph(const std::string& text, const std::string& kind = "");
  void item(const std::string& text); // of a list
  // Why something is not here.
  void absent(const std::string& reason) { paragraph(reason, "absent"); }
  void table(const Table& table) { html_ += table.html(); }
  void folded(const std::string& summary, const Table& table);
  // A chart of the page's script: `kind` is its name there. `instead`: its numbers;
  // `still`: a picture (data URI) until the script draws, and without it.
  void chart(const std::string& kind, const std::string& caption, const Json& data,
             const Table* instead = nullptr, const std::string& still = "");
  // Markup of this program's own.
  void markup(std::string_view html) { html_ += html; }

  // title; heading line below it; links of the sections.
  [[nodiscard]] std::string document(const std::string& title, const std::string& above,
                                     const std::string& footer) const;

private:
  std::string html_, links_;
};

} // namespace boldmill::report
