# Longitudinal ComBat by its published formulas (Beer 2020) on lme4's REML fits, Rubin's rules and predictive mean matching of
# mice. Called by models.py with a folder that holds sessions.csv and holes.csv; prints lines "name value ...".
suppressMessages({library(lme4); library(mice)})
folder <- commandArgs(TRUE)[1]
show <- function(name, v) cat(paste(c(name, sprintf("%.15g", v)), collapse = "\t"), "\n", sep = "")
d <- read.csv(file.path(folder, "sessions.csv"))
d$batch <- factor(d$batch)
columns <- grep("^y", names(d), value = TRUE)
n <- as.vector(table(d$batch))
fits <- lapply(columns, function(v) lmer(as.formula(paste(v, "~ batch + time + (1 | person)")), d, REML = TRUE,
  control = lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-12))))
effect <- sapply(fits, function(f) { e <- c(0, fixef(f)[grep("batch", names(fixef(f)))]); e - sum(n * e) / sum(n) })
s <- sapply(fits, sigma)
base <- sapply(fits, fitted) - effect[as.integer(d$batch), ]
z <- sweep(as.matrix(d[columns]) - base, 2, s, "/")
out <- matrix(NA, nrow(z), ncol(z))
for (i in seq_along(n)) {
  rows <- as.integer(d$batch) == i
  g <- colMeans(z[rows, ]); v <- apply(z[rows, ], 2, var)
  gbar <- mean(g); t2 <- var(g); m <- mean(v); s2 <- var(v)
  a <- (m^2 + 2 * s2) / s2; b <- (m^3 + m * s2) / s2
  gs <- g; ds <- v
  for (k in 1:500) {
    gs <- (n[i] * t2 * g + ds * gbar) / (n[i] * t2 + ds)
    ds <- (b + 0.5 * colSums(sweep(z[rows, ], 2, gs)^2)) / (n[i] / 2 + a - 1)
  }
  out[rows, ] <- sweep(sweep(z[rows, ], 2, gs), 2, s / sqrt(ds), "*") + base[rows, ]
}
for (j in seq_along(columns)) show(paste("longcombat", columns[j]), out[, j])
show("longcombat sigma", s)
p <- pool.scalar(c(1.2, 1.5, 0.9, 1.1, 1.4), c(.04, .05, .045, .038, .052), n = 60, k = 3)
show("rubin", c(p$qbar, p$ubar, p$b, p$t, p$df))
h <- read.csv(file.path(folder, "holes.csv"))
imp <- mice(h, m = 200, method = "pmm", maxit = 5, seed = 1, printFlag = FALSE, donors = 5L)
each <- sapply(1:200, function(i) { x <- complete(imp, i); c(mean(x$x0), sd(x$x0), cor(x$x0, x$x1)) })
show("mice mean", rowMeans(each)); show("mice sd", apply(each, 1, sd))
cat("#", R.version.string, "lme4", as.character(packageVersion("lme4")), "mice", as.character(packageVersion("mice")), "\n")
