# battery.R TABLE.csv REPETITIONS SEED: the published battery by R's hclust and cluster's silhouette, seconds a repetition.
suppressMessages(library(cluster))
arguments <- commandArgs(TRUE)
x <- as.matrix(read.csv(arguments[1], header=FALSE))
repetitions <- as.integer(arguments[2])
set.seed(as.integer(arguments[3]))
n <- nrow(x)
silhouettes <- function(y) {
  d <- as.dist(1 - cor(t(y)))
  h <- hclust(d, method="average")
  sapply(2:15, function(k) summary(silhouette(cutree(h, k), d))$avg.width)
}
clusters <- function(y) { h <- hclust(as.dist(1 - cor(t(y))), method="average"); sapply(2:15, function(k) cutree(h, k)) }
ari <- function(a, b) {
  t <- table(a, b); pairs <- function(v) sum(choose(v, 2))
  e <- pairs(rowSums(t)) * pairs(colSums(t)) / choose(sum(t), 2)
  (pairs(t) - e) / ((pairs(rowSums(t)) + pairs(colSums(t))) / 2 - e)
}
observed <- silhouettes(x)
full <- clusters(x)
e <- eigen(cov(x), symmetric=TRUE)
factor <- t(e$vectors %*% (t(e$vectors) * sqrt(pmax(e$values, 0))))
start <- proc.time()[3]
for (i in 1:repetitions) silhouettes(matrix(rnorm(length(x)), n) %*% factor + rep(colMeans(x), each=n))
cat("normal_s", (proc.time()[3] - start) / repetitions, "\n")
start <- proc.time()[3]
for (i in 1:repetitions) silhouettes(apply(x, 2, sample))
cat("permutation_s", (proc.time()[3] - start) / repetitions, "\n")
start <- proc.time()[3]
for (i in 1:repetitions) { rows <- sample(n, round(.8 * n)); own <- clusters(x[rows, ]); sapply(1:14, function(k) ari(full[rows, k], own[, k])) }
cat("resampling_s", (proc.time()[3] - start) / repetitions, "\n")
m <- as.matrix(as.dist(1 - cor(t(x))))
for (k in 2:15) cat("statistics", k, sprintf("%.15g", observed[k - 1]), sprintf("%.15g", sum(sapply(1:k, function(c) sum(m[full[, k - 1] == c, full[, k - 1] == c]) / 2))), "\n")
