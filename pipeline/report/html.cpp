#include "pipeline/report/html.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "pipeline/report/web_bundle.hpp"

namespace boldmill::report {
namespace {

std::string escaped(std::string_view text) { return bids::html_escape(text); }

// Escaped, and what stands between two backticks as code.
std::string marked(std::string_view text) {
  std::string out;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t open = text.find('`', begin);
    const std::size_t close = open == text.npos ? text.npos : text.find('`', open + 1);
    out += escaped(text.substr(begin, close == text.npos ? text.npos : open - begin));
    if (close == text.npos) break;
    out += "<code>" + escaped(text.substr(open + 1, close - open - 1)) + "</code>";
    begin = close + 1;
  }
  return out;
}

constexpr const char* kStyle = R"css(
:root{--ink:#1b1f24;--soft:#57606a;--line:#d0d7de;--back:#fff;--band:#f6f8fa;--link:#0b57a4}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif;margin:0 auto;max-width:76rem;padding:0 1rem 3rem;color:var(--ink);background:var(--back)}
h1{font-size:1.6rem;margin:1rem 0 .2rem;overflow-wrap:anywhere}h2{font-size:1.25rem;margin:0 0 .3rem}h3{font-size:1.05rem;margin:1.2rem 0 .3rem;overflow-wrap:anywhere}
p{margin:.3rem 0 .6rem;max-width:60rem;overflow-wrap:anywhere}a{color:var(--link)}
.skip{position:absolute;left:-99rem}.skip:focus{left:1rem;top:.5rem;background:var(--back);padding:.4rem;z-index:9}
.use{border-left:.3rem solid #b35900;padding:.2rem .7rem;background:#fff6e9}
.lead{color:var(--soft)}.absent{color:var(--soft);font-style:italic}.error{border-left:.3rem solid #a40e26;padding:.2rem .7rem;background:#ffefec}
nav{position:sticky;top:0;background:var(--back);border-bottom:1px solid var(--line);padding:.4rem 0;z-index:5;font-size:.9rem}
nav ul{display:flex;flex-wrap:wrap;gap:.1rem 1rem;list-style:none;margin:0;padding:0}nav li{white-space:nowrap}
section{padding-top:1.6rem;scroll-margin-top:4.5rem}@media screen{section.long{content-visibility:auto;contain-intrinsic-size:auto 40rem}}
.wide{overflow-x:auto;max-width:100%;margin:.3rem 0 .8rem;background:linear-gradient(90deg,var(--back) 30%,#fff0) 0 0/2.5rem 100%,linear-gradient(270deg,var(--back) 30%,#fff0) 100% 0/2.5rem 100%,linear-gradient(90deg,#0003,#0000) 0 0/.7rem 100%,linear-gradient(270deg,#0003,#0000) 100% 0/.7rem 100%;background-repeat:no-repeat;background-attachment:local,local,scroll,scroll}
.wide:focus-visible{outline:2px solid var(--link)}
table{border-collapse:collapse;font-size:.83rem;font-variant-numeric:tabular-nums}
caption{white-space:nowrap;text-align:left;font-weight:600;padding:.2rem 0;caption-side:top}
th,td{padding:.25rem .55rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top;max-width:34rem;overflow-wrap:break-word}.wide td:first-child{white-space:nowrap;position:sticky;left:0;background:var(--back)}
td.n{text-align:right;white-space:nowrap}td.t{min-width:min(24rem,60vw)}tr[data-run] td.t{min-width:16rem}thead th{background:var(--band);vertical-align:bottom}
th button{font:inherit;font-weight:600;background:none;border:0;padding:.2rem;margin:-.2rem;cursor:pointer;color:inherit;text-align:left}
th[aria-sort=ascending] button::after{content:" \25B2"}th[aria-sort=descending] button::after{content:" \25BC"}
tr.failed td:first-child{box-shadow:inset .3rem 0 #a40e26}tr.excluded td:first-child{box-shadow:inset .3rem 0 #b35900}tr.warning td:first-child{box-shadow:inset .3rem 0 #e0b400}
tr.failed td{background:#ffefec}tr.excluded td{background:#fff6e9}
.tools{display:flex;flex-wrap:wrap;gap:.4rem .9rem;align-items:end;margin:.4rem 0;font-size:.85rem}
.tools label{display:flex;flex-direction:column;gap:.1rem}
input,select,textarea,.tools button,.button{font:inherit;padding:.3rem .5rem;border:1px solid #6e7781;border-radius:.3rem;background:var(--back);color:inherit}
button{cursor:pointer}
:focus-visible{outline:2px solid var(--link);outline-offset:1px}
figure{margin:.6rem 0 1.2rem}figcaption{font-size:.85rem;color:var(--soft);max-width:60rem}
figure img{max-width:100%;height:auto;image-rendering:pixelated}
figure svg{overflow:visible}.panels{display:grid;grid-template-columns:repeat(auto-fit,minmax(17rem,1fr));gap:.4rem 1rem}
.panels>div{min-width:0}.panel-title{font-size:.85rem;font-weight:600;margin:.2rem 0 0}
.plot{overflow-x:auto;max-width:100%;padding-bottom:.3rem}.plot>img{width:min(100%,26rem);image-rendering:pixelated}
details{margin:.3rem 0 .8rem}summary{cursor:pointer;font-size:.9rem}
.viewer .canvas{height:26rem;max-width:56rem;background:#000}.viewer canvas{width:100%;height:100%}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));gap:.6rem;margin:.6rem 0}
.card{border:1px solid var(--line);border-radius:.4rem;padding:.5rem .7rem}.card b{display:block;font-size:1.3rem}.card span{font-size:.83rem;color:var(--soft)}
fieldset{border:1px solid var(--line);border-radius:.4rem;margin:.5rem 0;padding:.3rem .7rem .6rem;min-width:0}fieldset .row{display:flex;flex-wrap:wrap;gap:.4rem 1.2rem;align-items:center}
legend{overflow-wrap:anywhere;font-weight:600;font-size:.9rem}
fieldset textarea{width:100%;min-height:2.4rem}li{max-width:60rem;overflow-wrap:anywhere}nav li{max-width:none}
footer{margin-top:2.5rem;border-top:1px solid var(--line);padding-top:.6rem;font-size:.85rem;color:var(--soft)}
@media (max-width:40rem){body{font-size:15px;padding:0 .7rem 2rem}h1{font-size:1.3rem}nav{position:static}.wide td:first-child{position:static}}
@media print{nav,.tools,.skip,.review,#viewer,noscript{display:none!important}body{max-width:none;font-size:10pt;padding:0}section,figure,.card{break-inside:avoid}section.long{break-inside:auto}.wide,.plot{overflow:visible}table{font-size:7pt}th,td{padding:.1rem .2rem}body:has(tr[data-run]){page:wide}details:not([open]){display:none}table:has(tr[data-run]){font-size:6pt}td.t,tr[data-run] td.t{min-width:0}caption{white-space:normal}figure svg{max-width:100%;height:auto}.wide td:first-child{white-space:normal;position:static;overflow-wrap:anywhere;min-width:6rem}a{color:inherit}thead{display:table-header-group}tr{break-inside:avoid}}
@page wide{size:A4 landscape}
)css";

constexpr std::size_t kLongText = 40; // bytes: gets room beside narrow columns

// "0.31", "0.31 (0.08)"
bool is_number(const std::string& text) {
  if (text.empty()) return false;
  char* end = nullptr;
  (void)std::strtod(text.c_str(), &end);
  return *end == '\0' || (text.ends_with(')') && std::string_view(end).starts_with(" ("));
}

} // namespace

std::string number(double value, const char* format) {
  if (std::isnan(value)) return "";
  char text[48];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

double short_number(double value) {
  if (!std::isfinite(value)) return value;
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return std::strtod(text, nullptr);
}

Json short_numbers(const std::vector<double>& values) {
  Json out = Json::array();
  for (const double value : values) out.push_back(short_number(value));
  return out;
}

std::string plain_words(std::string name) {
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

std::string inert_json(const Json& json) {
  const std::string text = json.dump(-1, ' ', true, Json::error_handler_t::replace);
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c == '<') {
      out += "\\u003c";
    } else if (c == '>') {
      out += "\\u003e";
    } else if (c == '&') {
      out += "\\u0026";
    } else {
      out += c;
    }
  }
  return out;
}

std::string page_href(const std::string& file) { return "./" + bids::safe_component(file); }

Table::Table(std::string caption, std::vector<Column> columns) {
  head_ = "<caption>" + escaped(caption) + "</caption><thead><tr>";
  for (const Column& column : columns) {
    head_ += std::string("<th scope=\"col\"") + (column.choice ? " data-choice" : "") +
             (column.what.empty() ? "" : " title=\"" + escaped(column.what) + "\"") + ">" +
             escaped(column.name) + "</th>";
  }
  head_ += "</tr></thead>";
}

void Table::row(const std::vector<Cell>& cells, const std::string& kind, const std::string& id) {
  body_ += "<tr";
  if (!kind.empty()) body_ += " class=\"" + escaped(kind) + "\"";
  if (!id.empty()) body_ += " data-run=\"" + escaped(id) + "\"";
  body_ += ">";
  for (const Cell& cell : cells) {
    const bool is_long = cell.text.size() > kLongText && cell.href.empty();
    body_ += is_number(cell.text) ? "<td class=\"n\">" : is_long ? "<td class=\"t\">" : "<td>";
    body_ += cell.href.empty()
                 ? escaped(cell.text)
                 : "<a href=\"" + escaped(cell.href) + "\">" + escaped(cell.text) + "</a>";
    body_ += "</td>";
  }
  body_ += "</tr>\n";
  ++n_rows_;
}

std::string Table::html() const {
  const std::size_t start = head_.find('>') + 1;
  const std::string label = head_.substr(start, head_.find("</caption>") - start);
  return "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"" + label + "\"><table>" +
         head_ + "<tbody>\n" + body_ + "</tbody></table></div>\n";
}

void Page::begin_section(const std::string& id, const std::string& title,
                         const std::string& what_it_shows) {
  links_ += "<li><a href=\"#" + escaped(id) + "\">" + escaped(title) + "</a></li>";
  html_ += "<section id=\"" + escaped(id) + "\" aria-labelledby=\"" + escaped(id) +
           "-title\" class=\"long\"><h2 id=\"" + escaped(id) + "-title\">" + escaped(title) +
           "</h2>\n";
  if (!what_it_shows.empty()) paragraph(what_it_shows, "lead");
}

void Page::end_section() { html_ += "</section>\n"; }

void Page::heading(const std::string& text) { html_ += "<h3>" + escaped(text) + "</h3>\n"; }

void Page::paragraph(const std::string& text, const std::string& kind) {
  html_ += kind.empty() ? "<p>" : "<p class=\"" + escaped(kind) + "\">";
  html_ += marked(text) + "</p>\n";
}

void Page::item(const std::string& text) { html_ += "<li>" + marked(text) + "</li>\n"; }

void Page::folded(const std::string& summary, const Table& table) {
  html_ += "<details><summary>" + marked(summary) + "</summary>\n" + table.html() + "</details>\n";
}

void Page::chart(const std::string& kind, const std::string& caption, const Json& data,
                 const Table* instead, const std::string& still) {
  html_ += "<figure data-chart=\"" + escaped(kind) + "\"><script type=\"application/json\">" +
           inert_json(data) + "</script>\n<div class=\"plot\">";
  if (!still.empty()) {
    html_ += "<img alt=\"" + escaped(caption) + "\" src=\"" + escaped(still) + "\">";
  }
  html_ += "</div><figcaption>" + escaped(caption) + "</figcaption>\n";
  if (instead != nullptr) {
    html_ += "<details class=\"numbers\"><summary>The numbers of this chart</summary>\n" +
             instead->html() + "</details>\n";
  }
  html_ += "</figure>\n";
}

std::string Page::document(const std::string& title, const std::string& above,
                           const std::string& footer) const {
  const bool scripted = !page_script().empty();
  std::string policy =
      "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; base-uri "
      "'none'; form-action 'none'";
  if (scripted) { // 'self', and file: for pages from disk: the viewer's files beside the page
    policy += "; script-src 'sha256-" + std::string(page_script_sha256()) + "' 'self' file:";
  }
  std::string out = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
                    "<meta http-equiv=\"Content-Security-Policy\" content=\"" +
                    policy + "\"><title>" + escaped(title) + "</title><style>" + kStyle +
                    "</style></head><body>\n<a class=\"skip\" href=\"#main\">Skip to the "
                    "content</a>\n<header><h1>" +
                    escaped(title) + "</h1>\n<p class=\"use\">" + escaped(kIntendedUse) + "</p>\n" +
                    above + "</header>\n<nav aria-label=\"Sections\"><ul>" + links_ +
                    "</ul></nav>\n<main id=\"main\">\n";
  const char* plain =
      "Charts, sorting, filtering and rating are off; the numbers of a chart are in a table below "
      "its caption or on the participants' pages.";
  out += scripted ? "<noscript><p class=\"absent\">Scripts are off. " + std::string(plain) +
                        "</p></noscript>\n"
                  : "<p class=\"absent\">This boldmill was built without its chart library. " +
                        std::string(plain) + "</p>\n";
  out += html_ + "</main>\n<footer>" + footer + "</footer>\n";
  if (scripted) out += "<script>" + std::string(page_script()) + "</script>";
  return out + "</body></html>\n";
}

} // namespace boldmill::report
