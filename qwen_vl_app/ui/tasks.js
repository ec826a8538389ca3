// A chosen task fills the question box here and at once: who presses Submit without waiting asks the new question.
window.tasks = {
  question: (name, typed) => {
    const own = typed.trim() && !FACTS.tasks.unasked.includes(typed);
    return own ? typed : FACTS.tasks.ready[name];
  },
};
