//! Prints trees. Knows no node: whoever has a tree turns it into [`Node`]s.

/// A node of a printed tree.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// The node's own line.
    pub headline: String,
    /// Further lines, indented below it.
    pub notes: Vec<String>,
    /// Inputs.
    pub children: Vec<Node>,
}

impl Node {
    /// The tree with box-drawing characters, one line a node or note.
    ///
    /// ```
    /// use highwater::explain::Node;
    /// let leaf = Node { headline: "Scan".into(), ..Node::default() };
    /// let tree = Node { headline: "Filter x > 1".into(), notes: vec!["streams".into()], children: vec![leaf] };
    /// assert_eq!(tree.render(), "Filter x > 1\n│    streams\n└─ Scan\n");
    /// ```
    pub fn render(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, "", "");
        text
    }

    fn write(&self, text: &mut String, first: &str, rest: &str) {
        text.push_str(&format!("{first}{}\n", self.headline));
        let bar = if self.children.is_empty() { " " } else { "│" };
        for note in &self.notes {
            text.push_str(&format!("{rest}{bar}    {note}\n"));
        }
        for (index, child) in self.children.iter().enumerate() {
            let last = index + 1 == self.children.len();
            let (branch, below) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            child.write(text, &format!("{rest}{branch}"), &format!("{rest}{below}"));
        }
    }
}
