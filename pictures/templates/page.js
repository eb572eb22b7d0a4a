"use strict";
(() => {
  const branches = [...document.querySelectorAll(".branch")];
  const groups = [...document.querySelectorAll(".group, .task")];
  const words = document.querySelector("#words");
  const status = document.querySelector("#status");
  const found = document.querySelector("#found");
  const MOST_OPENED = 200;
  const texts = new Map();

  const textOf = (branch) => {
    if (!texts.has(branch)) texts.set(branch, branch.textContent.toLowerCase());
    return texts.get(branch);
  };

  const filter = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (one) =>
      (!status.value || one.dataset.status === status.value) && wanted.every((word) => textOf(one).includes(word));
    let shown = 0;
    for (const one of branches) {
      one.hidden = !fits(one);
      shown += !one.hidden;
    }
    const asked = wanted.length > 0 || status.value;
    for (const group of groups) {
      const here = group.querySelectorAll(".branch:not([hidden])").length;
      group.hidden = Boolean(asked) && here === 0;
      if (asked && here > 0) group.open = true;
    }
    found.value = `${shown.toLocaleString("en")} of ${branches.length.toLocaleString("en")}`;
  };

  const reveal = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let one = target; one; one = one.parentElement) {
      one.hidden = false;
      if (one.tagName === "DETAILS") one.open = true;
    }
    if (target) target.scrollIntoView();
  };

  if (words) {
    let soon = 0;
    words.addEventListener("input", () => {
      clearTimeout(soon);
      soon = setTimeout(filter, 120);
    });
    status.addEventListener("change", filter);
    document.querySelector("#open").addEventListener("click", () => {
      const shown = branches.filter((one) => !one.hidden);
      const open = shown.every((one) => one.open || shown.indexOf(one) >= MOST_OPENED);
      shown.slice(0, MOST_OPENED).forEach((one) => {
        one.open = !open;
      });
    });
    filter();
  }
  addEventListener("hashchange", reveal);
  if (location.hash) reveal();
})();
