"use strict";
(() => {
  const branches = [...document.querySelectorAll(".branch")];
  const groups = [...document.querySelectorAll(".group, .task")];
  const words = document.querySelector("#words");
  const status = document.querySelector("#status");
  const found = document.querySelector("#found");
  const MAX_OPENED = 200;
  const texts = new Map();

  const textOf = (branch) => {
    if (!texts.has(branch)) texts.set(branch, branch.textContent.toLowerCase());
    return texts.get(branch);
  };

  const filter = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (branch) =>
      (!status.value || branch.dataset.status === status.value) &&
      wanted.every((word) => textOf(branch).includes(word));
    let shown = 0;
    for (const branch of branches) {
      branch.hidden = !fits(branch);
      shown += !branch.hidden;
    }
    const asked = wanted.length > 0 || status.value;
    for (const group of groups) {
      const matches = group.querySelectorAll(".branch:not([hidden])").length;
      group.hidden = Boolean(asked) && matches === 0;
      if (asked && matches > 0) group.open = true;
    }
    found.value = `${shown.toLocaleString("en")} of ${branches.length.toLocaleString("en")}`;
  };

  const reveal = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let element = target; element; element = element.parentElement) {
      element.hidden = false;
      if (element.tagName === "DETAILS") element.open = true;
    }
    if (target) target.scrollIntoView();
  };

  if (words) {
    let timer = 0;
    words.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(filter, 120);
    });
    status.addEventListener("change", filter);
    document.querySelector("#open").addEventListener("click", () => {
      const shown = branches.filter((branch) => !branch.hidden).slice(0, MAX_OPENED);
      const open = shown.every((branch) => branch.open);
      shown.forEach((branch) => {
        branch.open = !open;
      });
    });
    filter();
  }
  addEventListener("hashchange", reveal);
  if (location.hash) reveal();
})();
