// The T1w images of a session as one: read, made finite, averaged when there are several.
#pragma once

#include "pipeline/cache/archive.hpp"
#include "pipeline/graph/study.hpp"

namespace boldmill::graph {

struct T1wPlan {
  std::vector<const bids::AnatFile*> files; // the first is the one all later steps lie in
  std::vector<store::InputRecord> inputs;
  std::string key; // of the image; that of the file when there is one
};

// Reads (or remembers) the digests. Error{input} when the session has no usable T1w.
[[nodiscard]] T1wPlan plan_t1w(const Study& study, const bids::ParticipantSession& session);

// What a person should know of it; kept in the cache with the estimates.
struct T1wNotes {
  std::int64_t n_nonfinite = 0;
  std::vector<std::string> left_out; // why a further image was not used
};
inline void archive(cache::Archive& a, T1wNotes& notes) { a(notes.n_nonfinite, notes.left_out); }

struct T1wImage {
  Volume image;
  T1wNotes notes;
};
// Error{input} when the first image cannot be read; a further one that cannot is left out.
[[nodiscard]] T1wImage read_t1w(const Study& study, const T1wPlan& plan, const Context& context);

// The lesion masks of a session; without files when there are none or they are not to be used.
struct LesionPlan {
  std::vector<const bids::BidsFile*> files;
  std::vector<store::InputRecord> inputs;
  std::string key; // "" without files
};
[[nodiscard]] LesionPlan plan_lesions(const Study& study, const bids::ParticipantSession& session);
// Their union on the T1w's grid; without data when all are empty. Error{input}: unreadable, or
// outside the T1w.
[[nodiscard]] Mask read_lesions(const Study& study, const LesionPlan& plan, const Grid& t1w,
                                const Context& context);

// In words, for the warnings of the session.
[[nodiscard]] std::vector<std::string> warnings_of(const T1wNotes& notes, const T1wPlan& plan,
                                                   const std::string& session_id);

// Voxels finer than this are averaged to 1 mm when they are read.
inline constexpr double kFinestVoxelMm = 0.95;

} // namespace boldmill::graph
